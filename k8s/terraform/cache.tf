# Valkey: a primary and a replica that takes its place. Everything in it may be lost, so nothing of it is saved.
# Not in cluster mode: the queue (ARQ) has keys of several slots in one transaction.
resource "aws_elasticache_replication_group" "this" {
  replication_group_id = local.name
  description          = "The live ends of Tidings' streams, and its queue"
  engine               = "valkey"
  engine_version       = "8.1"
  node_type            = var.cache_class
  num_cache_clusters   = var.cache_nodes
  port                 = 6379

  automatic_failover_enabled = true
  multi_az_enabled           = true
  subnet_group_name          = aws_elasticache_subnet_group.this.name
  security_group_ids         = [aws_security_group.store["cache"].id]
  parameter_group_name       = aws_elasticache_parameter_group.this.name

  at_rest_encryption_enabled = true
  kms_key_id                 = aws_kms_key.this["cache"].arn
  transit_encryption_enabled = true
  auth_token                 = random_password.cache.result

  snapshot_retention_limit   = 0
  auto_minor_version_upgrade = true
  maintenance_window         = "sun:05:00-sun:06:00"
}

resource "aws_elasticache_parameter_group" "this" {
  name   = local.name
  family = "valkey8"

  # A full cache says so, and Tidings goes on without it. Evicting would take jobs out of the queue unseen.
  parameter {
    name  = "maxmemory-policy"
    value = "noeviction"
  }
}

resource "aws_elasticache_subnet_group" "this" {
  name       = local.name
  subnet_ids = aws_subnet.stores[*].id
}

# Into the stores, from the cluster's own group alone.
resource "aws_security_group" "store" {
  for_each    = { cache = "ElastiCache, from the cluster", database = "RDS, from the cluster" }
  name        = "${local.name}-${each.key}"
  description = each.value
  vpc_id      = aws_vpc.this.id
  tags        = { Name = "${local.name}-${each.key}" }
}

resource "aws_vpc_security_group_ingress_rule" "store" {
  for_each                     = { cache = 6379, database = 5432 }
  security_group_id            = aws_security_group.store[each.key].id
  referenced_security_group_id = aws_eks_cluster.this.vpc_config[0].cluster_security_group_id
  description                  = "Pods of the cluster"
  ip_protocol                  = "tcp"
  from_port                    = each.value
  to_port                      = each.value
}
