"""Django file storage on MinIO and other S3 servers."""
