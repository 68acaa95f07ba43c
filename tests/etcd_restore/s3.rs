//! The queue on S3.
