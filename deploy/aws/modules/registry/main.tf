# Image repositories: tags are never moved, images are scanned, old ones go.

resource "aws_ecr_repository" "this" {
  for_each             = var.images
  name                 = "${var.name}/${each.key}"
  image_tag_mutability = "IMMUTABLE"
  force_delete         = !var.deletion_protection

  image_scanning_configuration {
    scan_on_push = true
  }

  encryption_configuration {
    encryption_type = "KMS"
    kms_key         = var.kms_key_arn
  }

  lifecycle {
    precondition {
      condition     = !var.production || var.deletion_protection
      error_message = "Production needs deletion_protection = true for the image repositories."
    }
  }
}

resource "aws_ecr_lifecycle_policy" "this" {
  for_each   = aws_ecr_repository.this
  repository = each.value.name
  policy = jsonencode({
    rules = [
      {
        rulePriority = 1
        description  = "What has no tag goes after a day"
        selection    = { tagStatus = "untagged", countType = "sinceImagePushed", countUnit = "days", countNumber = 1 }
        action       = { type = "expire" }
      },
      {
        rulePriority = 2
        description  = "The latest releases stay, to go back to"
        selection    = { tagStatus = "any", countType = "imageCountMoreThan", countNumber = var.keep }
        action       = { type = "expire" }
      },
    ]
  })
}
