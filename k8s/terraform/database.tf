# PostgreSQL: a primary and a standby in another zone, and the recovery to a point in time that RDS keeps itself (WAL every five minutes).
# RDS lets nobody stream its WAL, so `tidings backup` makes logical backups here.
resource "aws_db_instance" "this" {
  identifier     = local.name
  engine         = "postgres"
  engine_version = var.postgres_version
  instance_class = var.database_class
  db_name        = "tidings"
  username       = "tidings"
  port           = 5432

  password_wo         = ephemeral.random_password.database.result
  password_wo_version = var.database_password_version

  multi_az               = true
  db_subnet_group_name   = aws_db_subnet_group.this.name
  vpc_security_group_ids = [aws_security_group.store["database"].id]
  publicly_accessible    = false
  parameter_group_name   = aws_db_parameter_group.this.name
  ca_cert_identifier     = "rds-ca-rsa2048-g1"

  storage_type          = "gp3"
  allocated_storage     = var.database_storage_gb
  max_allocated_storage = 4 * var.database_storage_gb
  storage_encrypted     = true
  kms_key_id            = aws_kms_key.this["database"].arn

  backup_retention_period   = var.database_retention_days
  backup_window             = "02:00-03:00"
  maintenance_window        = "sun:03:30-sun:04:30"
  copy_tags_to_snapshot     = true
  delete_automated_backups  = false
  deletion_protection       = true
  skip_final_snapshot       = false
  final_snapshot_identifier = "${local.name}-final"

  # A minor version is taken in the window, by a failover; a major one is a decision (and the image of the backups goes along).
  auto_minor_version_upgrade  = true
  allow_major_version_upgrade = false

  iam_database_authentication_enabled   = true
  monitoring_interval                   = 30
  monitoring_role_arn                   = aws_iam_role.monitoring.arn
  performance_insights_enabled          = true
  performance_insights_kms_key_id       = aws_kms_key.this["database"].arn
  performance_insights_retention_period = 7
  enabled_cloudwatch_logs_exports       = ["postgresql", "upgrade"]

  depends_on = [aws_cloudwatch_log_group.database]
}

resource "aws_cloudwatch_log_group" "database" {
  for_each          = toset(["postgresql", "upgrade"])
  name              = "/aws/rds/instance/${local.name}/${each.value}"
  retention_in_days = 365
  kms_key_id        = aws_kms_key.this["logs"].arn
}

resource "aws_db_parameter_group" "this" {
  name_prefix = "${local.name}-"
  family      = "postgres${var.postgres_version}"

  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }

  # What waits, and what takes longer than a second.
  parameter {
    name  = "log_lock_waits"
    value = "1"
  }

  parameter {
    name  = "log_min_duration_statement"
    value = "1000"
  }

  # Statements are logged when they change a schema; their values would be people's data.
  parameter {
    name  = "log_statement"
    value = "ddl"
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_db_subnet_group" "this" {
  name       = local.name
  subnet_ids = aws_subnet.stores[*].id
}

resource "aws_iam_role" "monitoring" {
  name               = "${local.name}-database-monitoring"
  assume_role_policy = data.aws_iam_policy_document.service["monitoring"].json
}

resource "aws_iam_role_policy_attachment" "monitoring" {
  role       = aws_iam_role.monitoring.name
  policy_arn = "${local.arn}:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"
}

# For the loss of the region: snapshots and WAL, recovered there with `aws rds restore-db-instance-to-point-in-time`.
resource "aws_db_instance_automated_backups_replication" "this" {
  count                  = var.second_region == null ? 0 : 1
  region                 = var.second_region
  source_db_instance_arn = aws_db_instance.this.arn
  kms_key_id             = aws_kms_replica_key.this["database"].arn
  retention_period       = var.database_retention_days
}
