//! What the parts of a function are called, by what it is.

/// Words of one kind of function.
pub(super) struct Words {
    /// Itself.
    pub(super) function: &'static str,
    /// Where it is entered.
    pub(super) handler: &'static str,
    /// An address, before its name.
    pub(super) url: &'static str,
    /// What calls it of itself.
    pub(super) mapping: &'static str,
    /// What calls are shared out by.
    pub(super) alias: &'static str,
    /// How they are shared out.
    pub(super) shares: &'static str,
    /// Where its lines go.
    pub(super) log_group: &'static str,
    /// Why nothing is known of that.
    pub(super) unread_log_group: &'static str,
    /// Who gets its lines besides.
    pub(super) subscription: &'static str,
    /// Whether what its settings do not tell is unknown, and not: not there.
    pub(super) is_open_unknown: bool,
}

pub(super) const OF_A_FUNCTION: Words = Words {
    function: "function",
    handler: "handler",
    url: "function URL of",
    mapping: "event source mapping",
    alias: "alias",
    shares: "share of calls for other versions",
    log_group: "log group",
    unread_log_group: "the log group could not be read",
    subscription: "subscription filter",
    is_open_unknown: false,
};

pub(super) const OF_A_WORKER: Words = Words {
    function: "Worker",
    handler: "main module",
    url: "address:",
    mapping: "schedule",
    alias: "deployment",
    shares: "share of requests for other versions",
    log_group: "observability",
    unread_log_group: "the observability could not be read",
    subscription: "receiver of logs:",
    is_open_unknown: true,
};

/// What coldcase turns on of a Worker's observability after it sealed a case, as changes name it.
pub(super) const TURNED_ON: [&str; 5] = [
    "observability enabled",
    "observability head_sampling_rate",
    "observability logs.enabled",
    "observability logs.invocation_logs",
    "observability traces.enabled",
];
