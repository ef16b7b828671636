# What this needs, and where its state is. State holds the cache's token: its bucket must be encrypted and closed to all but operators.
terraform {
  required_version = ">= 1.11" # write-only arguments keep the database's password out of the state

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.25"
    }
    random = {
      source  = "hashicorp/random"
      version = "~> 3.7"
    }
    tls = {
      source  = "hashicorp/tls"
      version = "~> 4.1"
    }
  }

  # terraform init -backend-config=bucket=… -backend-config=key=tidings/production.tfstate -backend-config=region=…
  backend "s3" {
    encrypt      = true
    use_lockfile = true
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = merge({ Application = "tidings", Environment = var.environment }, var.tags)
  }
}

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

locals {
  name    = "tidings-${var.environment}"
  account = data.aws_caller_identity.current.account_id
  arn     = "arn:${data.aws_partition.current.partition}"
}
