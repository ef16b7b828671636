environment   = "production"
region        = "eu-central-1"
zones         = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
second_region = "eu-west-1"
