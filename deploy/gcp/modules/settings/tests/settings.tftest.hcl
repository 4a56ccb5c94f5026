variables {
  values = {
    SCRIBE_KAFKA_BOOTSTRAP = "bootstrap.example:9092"
    SCRIBE_PUBLIC_URL      = "https://scribe.example"
    SCRIBE_S3_ACCESS_KEY   = "GOOG1EXAMPLE"
    SCRIBE_S3_BUCKET       = "scribe-example"
    SCRIBE_S3_ENDPOINT     = "https://storage.googleapis.com"
    SCRIBE_S3_REGION       = "auto"
    SCRIBE_DRAIN_SECONDS   = "12"
  }
  secrets = {
    SCRIBE_KAFKA_PASSWORD = "scribe-kafka-password"
    SCRIBE_POSTGRES_DSN   = "scribe-postgres-dsn"
    SCRIBE_S3_SECRET_KEY  = "scribe-s3-secret-key"
    SCRIBE_WEBHOOK_KEY    = "scribe-webhook-key"
  }
}

run "each_process_gets_what_it_reads" {
  command = plan

  assert {
    condition     = output.environment.gpu.SCRIBE_DRAIN_SECONDS == "12"
    error_message = "the GPU process lacks its drain time"
  }
  assert {
    condition     = !contains(keys(output.environment.api), "SCRIBE_DRAIN_SECONDS")
    error_message = "the shim has a setting that it does not read"
  }
  assert {
    condition     = !contains(keys(output.secret_environment.gpu), "SCRIBE_POSTGRES_DSN")
    error_message = "the GPU process can read the database's password"
  }
  assert {
    condition     = toset(keys(output.secret_environment.retention)) == toset(["SCRIBE_POSTGRES_DSN", "SCRIBE_S3_SECRET_KEY"])
    error_message = "retention has other secrets than it reads"
  }
  assert {
    condition     = output.environment.relay.SCRIBE_LOG_FIELDS == "gcp"
    error_message = "logs are not in the form of Cloud Logging"
  }
}

run "a_secret_is_read_by_those_who_need_it" {
  command = plan

  assert {
    condition     = toset(output.secret_readers["scribe-webhook-key"]) == toset(["api", "dispatcher", "gpu", "operator", "webhooks"])
    error_message = "others may read the key of webhooks"
  }
}

run "the_overlay_gets_the_same_settings" {
  command = plan

  assert {
    condition     = strcontains(output.environment_file, "SCRIBE_S3_BUCKET=scribe-example\n")
    error_message = "the file for the overlay lacks the bucket"
  }
  assert {
    condition     = !strcontains(output.environment_file, "SCRIBE_POSTGRES_DSN")
    error_message = "a secret stands in the file for the overlay"
  }
}

run "a_misspelt_setting_is_refused" {
  command = plan

  variables {
    values = {
      SCRIBE_KAFKA_BOOTSTRAP = "bootstrap.example:9092"
      SCRIBE_PUBLIC_URL      = "https://scribe.example"
      SCRIBE_S3_ACCESS_KEY   = "GOOG1EXAMPLE"
      SCRIBE_S3_BUCKET       = "scribe-example"
      SCRIBE_S3_ENDPOINT     = "https://storage.googleapis.com"
      SCRIBE_S3_REGION       = "auto"
      SCRIBE_DRAIN_SECOND    = "12"
    }
  }
  expect_failures = [var.values]
}

run "a_secret_among_values_is_refused" {
  command = plan

  variables {
    values = {
      SCRIBE_KAFKA_BOOTSTRAP = "bootstrap.example:9092"
      SCRIBE_PUBLIC_URL      = "https://scribe.example"
      SCRIBE_S3_ACCESS_KEY   = "GOOG1EXAMPLE"
      SCRIBE_S3_BUCKET       = "scribe-example"
      SCRIBE_S3_ENDPOINT     = "https://storage.googleapis.com"
      SCRIBE_S3_REGION       = "auto"
      SCRIBE_S3_SECRET_KEY   = "in-the-state"
    }
  }
  expect_failures = [var.values]
}

run "a_missing_setting_is_refused" {
  command = plan

  variables {
    values = { SCRIBE_PUBLIC_URL = "https://scribe.example" }
  }
  expect_failures = [var.values]
}

run "plain_http_is_refused" {
  command = plan

  variables {
    values = {
      SCRIBE_KAFKA_BOOTSTRAP = "bootstrap.example:9092"
      SCRIBE_PUBLIC_URL      = "http://scribe.example"
      SCRIBE_S3_ACCESS_KEY   = "GOOG1EXAMPLE"
      SCRIBE_S3_BUCKET       = "scribe-example"
      SCRIBE_S3_ENDPOINT     = "https://storage.googleapis.com"
      SCRIBE_S3_REGION       = "auto"
    }
  }
  expect_failures = [var.values]
}

run "a_missing_secret_is_refused" {
  command = plan

  variables {
    secrets = { SCRIBE_POSTGRES_DSN = "scribe-postgres-dsn" }
  }
  expect_failures = [var.secrets]
}

run "a_process_that_is_none_is_refused" {
  command = plan

  variables {
    processes = ["api", "relais"]
  }
  expect_failures = [var.processes]
}
