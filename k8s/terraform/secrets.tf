# What External Secrets hands to Tidings as files. The URLs of the stores are written here; the keys are put in by a person, once, so that
# they are in no state (README.md says how), and a copy of them is kept elsewhere: without them the backups are worthless.
locals {
  secrets = {
    database_url    = "TIDINGS_DATABASE_URL"
    redis_url       = "TIDINGS_REDIS_URL"
    secret_key      = "TIDINGS_SECRET_KEY"
    encryption_keys = "TIDINGS_ENCRYPTION_KEYS"
    backup_keys     = "TIDINGS_BACKUP_KEYS"
  }
}

resource "aws_secretsmanager_secret" "this" {
  #checkov:skip=CKV2_AWS_57:Changed by raising database_password_version, and `tidings vault rewrap`; a timer would lock Tidings out
  for_each                = local.secrets
  name                    = "tidings/${var.environment}/${each.key}"
  description             = each.value
  kms_key_id              = aws_kms_key.this["secrets"].arn
  recovery_window_in_days = 30
}

# Made at each plan, and written, in one apply with the database's own, only when database_password_version was raised.
ephemeral "random_password" "database" {
  length  = 40
  special = false
}

resource "aws_secretsmanager_secret_version" "database_url" {
  secret_id = aws_secretsmanager_secret.this["database_url"].id
  secret_string_wo = format(
    "postgresql://%s:%s@%s/%s?sslmode=require",
    aws_db_instance.this.username, ephemeral.random_password.database.result, aws_db_instance.this.endpoint, aws_db_instance.this.db_name,
  )
  secret_string_wo_version = var.database_password_version
}

# ElastiCache takes no write-only token: this one is in the state.
resource "random_password" "cache" {
  length  = 40
  special = false
}

resource "aws_secretsmanager_secret_version" "redis_url" {
  secret_id = aws_secretsmanager_secret.this["redis_url"].id
  secret_string = format(
    "rediss://:%s@%s:%d/0",
    random_password.cache.result, aws_elasticache_replication_group.this.primary_endpoint_address, aws_elasticache_replication_group.this.port,
  )
}
