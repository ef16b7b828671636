# Who may become whom: services of AWS, service accounts of Kubernetes, and the workflows that deploy.
data "aws_iam_policy_document" "service" {
  for_each = {
    ec2           = ["sts:AssumeRole"]
    eks           = ["sts:AssumeRole", "sts:TagSession"]
    monitoring    = ["sts:AssumeRole"]
    s3            = ["sts:AssumeRole"]
    vpc-flow-logs = ["sts:AssumeRole"]
  }

  statement {
    actions = each.value

    principals {
      type        = "Service"
      identifiers = ["${each.key == "monitoring" ? "monitoring.rds" : each.key}.amazonaws.com"]
    }
  }
}

locals {
  issuer = replace(aws_eks_cluster.this.identity[0].oidc[0].issuer, "https://", "")
  # Service accounts that take a role of the same name, each with what it may do.
  accounts = {
    backups          = { subject = "${var.namespace}:tidings-backups", policy = data.aws_iam_policy_document.backups.json }
    external-secrets = { subject = "external-secrets:external-secrets", policy = data.aws_iam_policy_document.external_secrets.json }
  }
}

data "aws_iam_policy_document" "account" {
  for_each = local.accounts

  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [aws_iam_openid_connect_provider.cluster.arn]
    }

    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:sub"
      values   = ["system:serviceaccount:${each.value.subject}"]
    }

    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:aud"
      values   = ["sts.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "account" {
  for_each           = local.accounts
  name               = "${local.name}-${each.key}"
  assume_role_policy = data.aws_iam_policy_document.account[each.key].json
}

resource "aws_iam_role_policy" "account" {
  for_each = local.accounts
  role     = aws_iam_role.account[each.key].id
  policy   = each.value.policy
}

# Written, read, listed, deleted (which hides a version, and removes none).
data "aws_iam_policy_document" "backups" {
  statement {
    actions   = ["s3:ListBucket", "s3:ListBucketMultipartUploads", "s3:GetBucketLocation"]
    resources = [aws_s3_bucket.backups.arn]
  }

  statement {
    actions = [
      "s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts",
    ]
    resources = ["${aws_s3_bucket.backups.arn}/*"]
  }

  statement {
    actions   = ["kms:GenerateDataKey", "kms:Decrypt"]
    resources = [aws_kms_key.this["backups"].arn]
  }
}

data "aws_iam_policy_document" "external_secrets" {
  statement {
    actions   = ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]
    resources = [for secret in aws_secretsmanager_secret.this : secret.arn]
  }

  statement {
    actions   = ["kms:Decrypt"]
    resources = [aws_kms_key.this["secrets"].arn]
  }
}

# The workflows. What the role may do inside of the cluster is what the group `tidings-deployers` is bound to there.
resource "aws_iam_openid_connect_provider" "github" {
  count          = var.github_repository != null && var.github_oidc_provider_arn == null ? 1 : 0
  url            = "https://token.actions.githubusercontent.com"
  client_id_list = ["sts.amazonaws.com"]
}

locals {
  deploys         = var.github_repository == null ? [] : [var.github_repository]
  github_provider = one(concat(aws_iam_openid_connect_provider.github[*].arn, compact([var.github_oidc_provider_arn])))
}

data "aws_iam_policy_document" "deployer_trust" {
  count = length(local.deploys)

  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [local.github_provider]
    }

    condition {
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:aud"
      values   = ["sts.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:sub"
      values = [
        "repo:${local.deploys[count.index]}:environment:${var.environment}",
        "repo:${local.deploys[count.index]}:environment:${var.environment}-rollback",
      ]
    }
  }
}

resource "aws_iam_role" "deployer" {
  count              = length(local.deploys)
  name               = "${local.name}-deployer"
  assume_role_policy = data.aws_iam_policy_document.deployer_trust[count.index].json
}

data "aws_iam_policy_document" "deployer" {
  statement {
    actions   = ["eks:DescribeCluster"]
    resources = [aws_eks_cluster.this.arn]
  }
}

resource "aws_iam_role_policy" "deployer" {
  count  = length(local.deploys)
  role   = aws_iam_role.deployer[count.index].id
  policy = data.aws_iam_policy_document.deployer.json
}

resource "aws_eks_access_entry" "deployer" {
  count             = length(local.deploys)
  cluster_name      = aws_eks_cluster.this.name
  principal_arn     = aws_iam_role.deployer[count.index].arn
  kubernetes_groups = ["tidings-deployers"]
}
