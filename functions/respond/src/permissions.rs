//! What the function may do itself, beyond what its collectors and its vault declare.

/// An IAM action that the function needs, and for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permission {
    /// E.g. `sns:Publish`.
    pub action: &'static str,
    /// What fails without it.
    pub for_what: &'static str,
}

/// Every action of the function itself. `template.yaml` grants these, what
/// [`collectors::aws::permissions`], [`collectors::aws::LOCATE_PERMISSIONS`] and
/// [`vault::PERMISSIONS`] name, and nothing else; a test compares them.
pub const PERMISSIONS: &[Permission] = &[
    Permission {
        action: "kms:Decrypt",
        for_what: "environments, packages and deployment sources under keys of the account's own",
    },
    Permission {
        action: "lambda:UpdateFunctionConfiguration",
        for_what: "turning tracing on; not granted where it is switched off",
    },
    Permission {
        action: "logs:CreateLogStream",
        for_what: "the function's own log, which Lambda writes under its role",
    },
    Permission {
        action: "logs:PutLogEvents",
        for_what: "the function's own log, which Lambda writes under its role",
    },
    Permission {
        action: "sns:Publish",
        for_what: "telling somebody",
    },
    Permission {
        action: "sqs:ChangeMessageVisibility",
        for_what: "trying a message again soon; Lambda asks for it as well",
    },
    Permission {
        action: "sqs:DeleteMessage",
        for_what: "being fed from the queue, which Lambda does under its role",
    },
    Permission {
        action: "sqs:GetQueueAttributes",
        for_what: "being fed from the queue, which Lambda does under its role",
    },
    Permission {
        action: "sqs:ReceiveMessage",
        for_what: "being fed from the queue, which Lambda does under its role",
    },
    Permission {
        action: "sqs:SendMessage",
        for_what: "spreading an event on many functions out; the dead letters of failed invocations",
    },
    Permission {
        action: "states:StartExecution",
        for_what: "having what happened around a case looked into, and an expected change recorded",
    },
];
