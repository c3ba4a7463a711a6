//! What the function may do: read the vault, write examinations, read what the owner gives.

/// IAM actions, each on what and what fails without it. `template.yaml` grants these and nothing else.
pub const PERMISSIONS: &[(&str, &str, &str)] = &[
    (
        "s3:ListBucket",
        "bucket",
        "the records of a function as good; and without it what is absent is answered as denied",
    ),
    (
        "s3:GetObject",
        "objects",
        "manifests, exhibits, packages, records of a function as good",
    ),
    (
        "s3:PutObject",
        "examinations",
        "what it made and its result, under examinations/ only",
    ),
    (
        "s3:PutObjectRetention",
        "examinations",
        "the lock of what it writes",
    ),
    ("kms:Decrypt", "bucket-key", "every read under SSE-KMS"),
    (
        "kms:GenerateDataKey",
        "bucket-key",
        "every write under SSE-KMS",
    ),
    (
        "s3:ListBucket",
        "owner-bucket",
        "the owner's rules and advisories, where any are configured",
    ),
    (
        "s3:GetObject",
        "owner-objects",
        "the owner's rules, advisories and expected digests, where any are configured",
    ),
    (
        "logs:CreateLogStream",
        "log-group",
        "the function's own log, which Lambda writes under its role",
    ),
    (
        "logs:PutLogEvents",
        "log-group",
        "the function's own log, which Lambda writes under its role",
    ),
];
