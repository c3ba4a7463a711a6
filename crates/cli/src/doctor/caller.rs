//! Who asks, of which account and Region.

use super::Check;
use super::deployment::Deployment;
use super::line::Lines;
use futures_util::FutureExt as _;

pub(super) const CHECK: Check = Check {
    name: "caller",
    area: "The account and the stack",
    actions: &["sts:GetCallerIdentity"],
    needs_stack: false,
    look: |deployment, lines| look(deployment, lines).boxed(),
};

async fn look(deployment: &Deployment, lines: &mut Lines) {
    let account = &deployment.account;
    let seen = format!(
        "{} in {}, as {}",
        account.id, account.region, account.caller
    );
    if account.caller.ends_with(":root") {
        lines.warn(
            "account",
            seen,
            "use a role instead of the root user; the policy ResponderPolicy of the stack holds what a responder needs",
        );
    } else {
        lines.ok("account", seen);
    }
}
