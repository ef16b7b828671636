output "cluster" {
  description = "Name of the cluster: CLUSTER of the deploying environment."
  value       = aws_eks_cluster.this.name
}

output "deploy_role" {
  description = "DEPLOY_ROLE of the deploying environments."
  value       = one(aws_iam_role.deployer[*].arn)
}

output "account_roles" {
  description = "For the annotation eks.amazonaws.com/role-arn of the service accounts."
  value       = { for name, role in aws_iam_role.account : name => role.arn }
}

output "backup_url" {
  description = "TIDINGS_BACKUP_URL."
  value       = "s3://${aws_s3_bucket.backups.bucket}"
}

output "secrets" {
  description = "Names in Secrets Manager, by setting."
  value       = { for name, secret in aws_secretsmanager_secret.this : local.secrets[name] => secret.name }
}

output "database_address" {
  description = "For the NetworkPolicy of the way out."
  value       = aws_db_instance.this.address
}

output "cache_address" {
  description = "The primary's, which stays the same through a failover."
  value       = aws_elasticache_replication_group.this.primary_endpoint_address
}

output "store_cidrs" {
  description = "Where the stores are, for NetworkPolicies."
  value       = aws_subnet.stores[*].cidr_block
}
