# Copies of the backups in a second region, when there is one: the same rules, under a key that works without the first region.
locals {
  copies = toset(var.second_region == null ? [] : [var.second_region])
}

resource "aws_s3_bucket" "copies" {
  #checkov:skip=CKV_AWS_18:CloudTrail's data events, of the whole account, say who read what
  #checkov:skip=CKV2_AWS_62:Tidings looks after its backups itself, and raises the alerts
  for_each            = local.copies
  region              = each.value
  bucket              = "${local.name}-backups-copies-${local.account}"
  object_lock_enabled = true
}

resource "aws_s3_bucket_versioning" "copies" {
  for_each = local.copies
  region   = each.value
  bucket   = aws_s3_bucket.copies[each.value].id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_object_lock_configuration" "copies" {
  for_each = local.copies
  region   = each.value
  bucket   = aws_s3_bucket.copies[each.value].id

  rule {
    default_retention {
      mode = "COMPLIANCE"
      days = var.backup_lock_days
    }
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "copies" {
  for_each = local.copies
  region   = each.value
  bucket   = aws_s3_bucket.copies[each.value].id

  rule {
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_replica_key.this["backups"].arn
    }
  }
}

resource "aws_s3_bucket_public_access_block" "copies" {
  for_each                = local.copies
  region                  = each.value
  bucket                  = aws_s3_bucket.copies[each.value].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_lifecycle_configuration" "copies" {
  for_each   = local.copies
  region     = each.value
  bucket     = aws_s3_bucket.copies[each.value].id
  depends_on = [aws_s3_bucket_versioning.copies]

  rule {
    id     = "deleted"
    status = "Enabled"
    filter {}

    noncurrent_version_expiration {
      noncurrent_days = var.backup_expiry_days
    }

    expiration {
      expired_object_delete_marker = true
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }
}

resource "aws_s3_bucket_replication_configuration" "backups" {
  for_each   = local.copies
  bucket     = aws_s3_bucket.backups.id
  role       = aws_iam_role.copier[each.value].arn
  depends_on = [aws_s3_bucket_versioning.backups, aws_s3_bucket_versioning.copies]

  rule {
    id     = "all"
    status = "Enabled"
    filter {}

    delete_marker_replication {
      status = "Enabled"
    }

    source_selection_criteria {
      sse_kms_encrypted_objects {
        status = "Enabled"
      }
    }

    destination {
      bucket        = aws_s3_bucket.copies[each.value].arn
      storage_class = "STANDARD_IA"

      encryption_configuration {
        replica_kms_key_id = aws_kms_replica_key.this["backups"].arn
      }
    }
  }
}

resource "aws_iam_role" "copier" {
  for_each           = local.copies
  name               = "${local.name}-backups-copier"
  assume_role_policy = data.aws_iam_policy_document.service["s3"].json
}

resource "aws_iam_role_policy" "copier" {
  for_each = local.copies
  role     = aws_iam_role.copier[each.value].id
  policy   = data.aws_iam_policy_document.copier[each.value].json
}

data "aws_iam_policy_document" "copier" {
  for_each = local.copies

  statement {
    actions   = ["s3:GetReplicationConfiguration", "s3:ListBucket"]
    resources = [aws_s3_bucket.backups.arn]
  }

  statement {
    actions = [
      "s3:GetObjectVersionForReplication", "s3:GetObjectVersionAcl", "s3:GetObjectVersionTagging",
      "s3:GetObjectRetention", "s3:GetObjectLegalHold",
    ]
    resources = ["${aws_s3_bucket.backups.arn}/*"]
  }

  statement {
    actions   = ["s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags"]
    resources = ["${aws_s3_bucket.copies[each.value].arn}/*"]
  }

  statement {
    actions   = ["kms:Decrypt"]
    resources = [aws_kms_key.this["backups"].arn]
  }

  statement {
    actions   = ["kms:Encrypt"]
    resources = [aws_kms_replica_key.this["backups"].arn]
  }
}
