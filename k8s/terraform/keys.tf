# A key for each thing that is encrypted, so that whoever may open one opens no other.
locals {
  keys = {
    backups  = "Backups in S3, and their copies"
    cache    = "ElastiCache"
    cluster  = "Secrets in Kubernetes"
    database = "RDS: storage, snapshots, insights"
    logs     = "CloudWatch"
    secrets  = "Secrets Manager"
  }
}

resource "aws_kms_key" "this" {
  for_each                = local.keys
  description             = "${local.name}: ${each.value}"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  # In two regions, so that a copy can be opened where the first region is gone.
  multi_region = contains(["backups", "database"], each.key)
  policy       = each.key == "logs" ? data.aws_iam_policy_document.log_key.json : data.aws_iam_policy_document.key.json
}

resource "aws_kms_alias" "this" {
  for_each      = local.keys
  name          = "alias/${local.name}-${each.key}"
  target_key_id = aws_kms_key.this[each.key].key_id
}

resource "aws_kms_replica_key" "this" {
  for_each                = var.second_region == null ? toset([]) : toset(["backups", "database"])
  region                  = var.second_region
  primary_key_arn         = aws_kms_key.this[each.key].arn
  description             = "${local.name}: ${local.keys[each.key]}, in the second region"
  deletion_window_in_days = 30
  policy                  = data.aws_iam_policy_document.key.json
}

# The account's own policies say who; without this statement nobody could ever change the key again.
data "aws_iam_policy_document" "key" {
  #checkov:skip=CKV_AWS_109:The policy of a key is about that key only, whatever its resource says
  #checkov:skip=CKV_AWS_111:As above
  #checkov:skip=CKV_AWS_356:As above
  statement {
    actions   = ["kms:*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["${local.arn}:iam::${local.account}:root"]
    }
  }
}

data "aws_iam_policy_document" "log_key" {
  source_policy_documents = [data.aws_iam_policy_document.key.json]

  statement {
    actions   = ["kms:Encrypt*", "kms:Decrypt*", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"]
    resources = ["*"]

    principals {
      type        = "Service"
      identifiers = ["logs.${var.region}.amazonaws.com"]
    }

    condition {
      test     = "ArnLike"
      variable = "kms:EncryptionContext:aws:logs:arn"
      values   = ["${local.arn}:logs:${var.region}:${local.account}:*"]
    }
  }
}
