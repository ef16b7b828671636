# Every setting. Those without a default have to be said; `staging.tfvars` and `production.tfvars` are two answers.

variable "environment" {
  description = "Goes into every name, and into the roles that may be taken: staging or production."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,20}$", var.environment))
    error_message = "Lower-case letters, digits and hyphens, at most 21 characters: names of AWS are built from it."
  }
}

variable "region" {
  description = "Where everything is."
  type        = string
}

variable "zones" {
  description = "Three availability zones of the region, named: whatever AWS adds later moves nothing."
  type        = list(string)

  validation {
    condition     = length(var.zones) == 3 && alltrue([for zone in var.zones : startswith(zone, var.region)])
    error_message = "Three zones of the region, as in [\"eu-central-1a\", \"eu-central-1b\", \"eu-central-1c\"]."
  }
}

variable "second_region" {
  description = "Where copies of RDS's backups and of the backups' bucket go, for the loss of a region; null for no copies."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of everything, beside Application and Environment."
  type        = map(string)
  default     = {}
}

variable "vpc_cidr" {
  description = "The network: a /16, cut into three public /20, three private /20 and three /24 of the stores."
  type        = string
  default     = "10.40.0.0/16"

  validation {
    condition     = can(cidrhost(var.vpc_cidr, 0)) && endswith(var.vpc_cidr, "/16")
    error_message = "A /16, as in 10.40.0.0/16."
  }
}

variable "nat_gateways" {
  description = "1, or 3 so that the loss of a zone leaves the others their way out (deliveries leave by it)."
  type        = number
  default     = 3

  validation {
    condition     = contains([1, 3], var.nat_gateways)
    error_message = "1 or 3."
  }
}

variable "kubernetes_version" {
  description = "Of the cluster."
  type        = string
  default     = "1.34"
}

variable "api_cidrs" {
  description = "Networks from which the cluster's API may be reached; empty for none but the VPC. The deploying workflow needs a way too."
  type        = list(string)
  default     = []

  validation {
    condition     = !contains(var.api_cidrs, "0.0.0.0/0")
    error_message = "Not the whole world."
  }
}

variable "operators" {
  description = "ARNs of the IAM roles of those who administer the cluster."
  type        = list(string)
  default     = []
}

variable "namespace" {
  description = "Of Kubernetes, where Tidings runs."
  type        = string
  default     = "tidings"
}

variable "github_repository" {
  description = "OWNER/NAME whose workflows deploy from the environments ENVIRONMENT and ENVIRONMENT-rollback; null for none."
  type        = string
  default     = null
}

variable "github_oidc_provider_arn" {
  description = "The account's identity provider of GitHub, of which there can be one only; null to make it."
  type        = string
  default     = null
}

variable "postgres_version" {
  description = "Major version of PostgreSQL. The image of the backups carries the programs of the same (POSTGRES_MAJOR)."
  type        = string
  default     = "18"
}

variable "database_class" {
  description = "Class of the primary and of its standby."
  type        = string
  default     = "db.m8g.large"
}

variable "database_storage_gb" {
  description = "Storage at first; it grows by itself up to four times as much."
  type        = number
  default     = 100
}

variable "database_retention_days" {
  description = "How far back RDS recovers to a point in time, 1 to 35 days."
  type        = number
  default     = 14

  validation {
    condition     = var.database_retention_days >= 1 && var.database_retention_days <= 35
    error_message = "1 to 35 days."
  }
}

variable "database_password_version" {
  description = "Raise it to give the database another password, here and in Secrets Manager at once; then restart Tidings."
  type        = number
  default     = 1
}

variable "cache_class" {
  description = "Class of the cache's nodes."
  type        = string
  default     = "cache.m7g.large"
}

variable "cache_nodes" {
  description = "The primary and its replicas, in different zones; 2 or more for a failover."
  type        = number
  default     = 2

  validation {
    condition     = var.cache_nodes >= 2 && var.cache_nodes <= 6
    error_message = "2 to 6."
  }
}

variable "backup_lock_days" {
  description = "For so long nobody, not even the account's root, deletes a version of a backup. Shorter than the shortest retention."
  type        = number
  default     = 7
}

variable "backup_expiry_days" {
  description = "Versions that Tidings has deleted or replaced are kept for so long, then are gone."
  type        = number
  default     = 35
}
