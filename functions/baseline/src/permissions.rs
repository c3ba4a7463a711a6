//! What the function may do itself, beyond what its collectors and its vault declare.

/// IAM actions of the function itself, each with what fails without it. `template.yaml` grants
/// these, what [`permissions`](crate::permissions()) and [`vault::PERMISSIONS`] name, and nothing
/// else; a test compares them.
pub const PERMISSIONS: &[(&str, &str)] = &[
    (
        "kms:Decrypt",
        "environments and packages under keys of the account's own",
    ),
    ("lambda:ListFunctions", "knowing which functions there are"),
    (
        "logs:CreateLogStream",
        "the function's own log, which Lambda writes under its role",
    ),
    (
        "logs:PutLogEvents",
        "the function's own log, which Lambda writes under its role",
    ),
];
