//! From what an event names to the functions it concerns, and so to the cases it opens.

use super::Clients;
use crate::Refusal;
use crate::inquiry::{is_transient, refusal};
use aws_sdk_iam::types::EntityType;
use aws_sdk_lambda::types::{FunctionConfiguration, FunctionVersion};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use evidence::{ResourceKind, Target};
use std::collections::BTreeSet;

/// The IAM actions that [`functions_concerned`] needs.
pub const LOCATE_PERMISSIONS: &[&str] = &[
    "iam:ListEntitiesForPolicy",
    "lambda:GetEventSourceMapping",
    "lambda:ListFunctions",
    "lambda:ListFunctionsByCodeSigningConfig",
];

/// What a target leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Located {
    /// What cases are to be about, sorted, each once:
    /// - a function leads to itself, qualifier kept;
    /// - a layer, role, policy, mapping or code-signing configuration leads to its functions, without
    ///   qualifier, and to **nothing** where no function has to do with it;
    /// - anything else (the responder's parts, the audit trail) leads to itself;
    /// - whenever there are [`gaps`](Self::gaps), the asked target is here as well, so that there is
    ///   a case that can hold them.
    pub targets: Vec<Target>,
    /// What could not be looked up, in words, sorted:
    /// `lambda:ListFunctions in eu-west-1: AccessDeniedException`.
    pub gaps: Vec<String>,
}

/// Why the functions cannot be told now. Trying again later helps: let the queue deliver again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the functions that {target} concerns cannot be told yet: {why}")]
pub struct LocateError {
    /// The ARN of what was asked about.
    pub target: String,
    /// The call and the provider's word for it.
    pub why: String,
}

/// Finds the functions that a change of `target` concerns, with one of `clients` for each Region
/// that the configuration names.
///
/// - **Layer**: every function of the layer's Region that carries *any* version of it. A version just
///   published is carried by nobody yet, and the one before may have come from the same hands.
/// - **Role**: every function that runs under it, in every Region.
/// - **Policy**: the roles that carry it, as a policy or as a boundary, then their functions.
/// - **Event source mapping, code-signing configuration**: the functions they name.
///
/// Published versions keep the role and the layers they were published with, so they count too. A
/// refused lookup is a gap and the rest goes on; memory holds the matches and one page only.
///
/// # Errors
/// [`LocateError`] when a lookup was throttled, timed out or broke on the provider's side, after the
/// SDK's own retries.
pub async fn functions_concerned(
    clients: &[Clients],
    target: &Target,
) -> Result<Located, LocateError> {
    let mut search = Search {
        asked: target,
        found: BTreeSet::new(),
        gaps: BTreeSet::new(),
    };
    if clients.is_empty() && matches!(target.kind, ResourceKind::Role | ResourceKind::Policy) {
        search
            .gaps
            .insert("nothing was looked up: the configuration names no Region".to_owned());
    }
    match target.kind {
        ResourceKind::Layer => {
            let layer = target.unqualified();
            if let Some(clients) = search.in_its_region(clients) {
                search
                    .functions(clients, |function| carries(function, &layer))
                    .await?;
            }
        }
        ResourceKind::Role => {
            let role = Roles {
                account: Some(&target.account),
                names: BTreeSet::from([target.name.clone()]),
            };
            search.functions_of(clients, &role).await?;
        }
        ResourceKind::Policy => search.functions_of_policy(clients).await?,
        ResourceKind::EventSourceMapping => {
            if let Some(clients) = search.in_its_region(clients) {
                search.function_of_mapping(clients).await?;
            }
        }
        ResourceKind::CodeSigningConfig => {
            if let Some(clients) = search.in_its_region(clients) {
                search.functions_signed_by(clients).await?;
            }
        }
        ResourceKind::Function
        | ResourceKind::LogGroup
        | ResourceKind::Trail
        | ResourceKind::Rule
        | ResourceKind::Queue
        | ResourceKind::Topic
        | ResourceKind::Alarm
        | ResourceKind::Bucket
        | ResourceKind::Key
        | ResourceKind::StateMachine => {
            search.found.insert(target.clone());
        }
    }
    if !search.gaps.is_empty() {
        search.found.insert(target.clone());
    }
    Ok(Located {
        targets: search.found.into_iter().collect(),
        gaps: search.gaps.into_iter().collect(),
    })
}

struct Search<'a> {
    asked: &'a Target,
    found: BTreeSet<Target>,
    gaps: BTreeSet<String>,
}

/// Roles by name; an account of none is the one that is asked.
struct Roles<'a> {
    account: Option<&'a str>,
    names: BTreeSet<String>,
}

impl Search<'_> {
    /// The clients of the target's own Region.
    fn in_its_region<'c>(&mut self, clients: &'c [Clients]) -> Option<&'c Clients> {
        let found = clients
            .iter()
            .find(|clients| clients.region() == self.asked.region);
        if found.is_none() {
            self.gaps.insert(format!(
                "nothing was looked up in {}: the configuration does not name this Region",
                self.asked.region
            ));
        }
        found
    }

    /// Every function of one Region that is `wanted`, in any version.
    async fn functions(
        &mut self,
        clients: &Clients,
        wanted: impl Fn(&FunctionConfiguration) -> bool,
    ) -> Result<(), LocateError> {
        let mut pages = clients
            .lambda
            .list_functions()
            .function_version(FunctionVersion::All)
            .into_paginator()
            .page_size(50)
            .send();
        while let Some(page) = pages.next().await {
            let page = match page {
                Ok(page) => page,
                Err(error) => return self.gap("lambda:ListFunctions", clients, &error),
            };
            for function in page.functions().iter().filter(|function| wanted(function)) {
                self.function(function.function_arn());
            }
        }
        Ok(())
    }

    /// Every function of every Region that runs under one of these roles.
    async fn functions_of(
        &mut self,
        clients: &[Clients],
        roles: &Roles<'_>,
    ) -> Result<(), LocateError> {
        for clients in clients {
            self.functions(clients, |function| runs_under(function, roles))
                .await?;
        }
        Ok(())
    }

    async fn functions_of_policy(&mut self, clients: &[Clients]) -> Result<(), LocateError> {
        // IAM is one for all Regions: any client will do.
        let Some(first) = clients.first() else {
            return Ok(());
        };
        let mut roles = Roles {
            // A policy of AWS's own is carried by roles of the account that is asked.
            account: (self.asked.account != "aws").then_some(self.asked.account.as_str()),
            names: BTreeSet::new(),
        };
        let mut pages = first
            .iam
            .list_entities_for_policy()
            .policy_arn(self.asked.arn())
            .entity_filter(EntityType::Role)
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            match page {
                Ok(page) => roles.names.extend(
                    page.policy_roles()
                        .iter()
                        .filter_map(|role| role.role_name().map(str::to_owned)),
                ),
                Err(error) => {
                    self.gap("iam:ListEntitiesForPolicy", first, &error)?;
                    break;
                }
            }
        }
        if roles.names.is_empty() {
            return Ok(());
        }
        self.functions_of(clients, &roles).await
    }

    async fn function_of_mapping(&mut self, clients: &Clients) -> Result<(), LocateError> {
        let mapping = clients
            .lambda
            .get_event_source_mapping()
            .uuid(&self.asked.name)
            .send()
            .await;
        match mapping {
            Ok(mapping) => self.function(mapping.function_arn()),
            Err(error) => self.gap("lambda:GetEventSourceMapping", clients, &error)?,
        }
        Ok(())
    }

    async fn functions_signed_by(&mut self, clients: &Clients) -> Result<(), LocateError> {
        let mut pages = clients
            .lambda
            .list_functions_by_code_signing_config()
            .code_signing_config_arn(self.asked.id_unqualified())
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            match page {
                Ok(page) => page
                    .function_arns()
                    .iter()
                    .for_each(|arn| self.function(Some(arn))),
                Err(error) => {
                    return self.gap("lambda:ListFunctionsByCodeSigningConfig", clients, &error);
                }
            }
        }
        Ok(())
    }

    fn function(&mut self, arn: Option<&str>) {
        match arn.map(Target::from_arn) {
            Some(Ok(function)) => {
                self.found.insert(function.unqualified());
            }
            Some(Err(bad)) => {
                self.gaps.insert(bad.to_string());
            }
            None => {
                self.gaps
                    .insert("the provider named a function without its ARN".to_owned());
            }
        }
    }

    /// A lookup brought nothing: a gap if it would never bring more, an error if it may later.
    fn gap<E>(
        &mut self,
        api: &str,
        clients: &Clients,
        error: &SdkError<E, HttpResponse>,
    ) -> Result<(), LocateError>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let refusal: Refusal = refusal(api, &format!("in {}", clients.region()), error);
        let why = refusal.why().to_owned();
        if is_transient(error) {
            return Err(LocateError {
                target: self.asked.arn(),
                why,
            });
        }
        self.gaps.insert(why);
        Ok(())
    }
}

fn carries(function: &FunctionConfiguration, layer: &Target) -> bool {
    function
        .layers()
        .iter()
        .filter_map(|carried| Target::from_arn(carried.arn()?).ok())
        .any(|carried| carried.unqualified() == *layer)
}

fn runs_under(function: &FunctionConfiguration, roles: &Roles<'_>) -> bool {
    // `from_arn` drops a role's path, which events leave out as well.
    function
        .role()
        .and_then(|arn| Target::from_arn(arn).ok())
        .is_some_and(|role| {
            roles.names.contains(&role.name)
                && roles.account.is_none_or(|account| account == role.account)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::canned::{Script, clients, clients_noting};

    const ROLE: &str = "arn:aws:iam::111122223333:role/billing-role";
    const DENIED: &str = r#"{"__type":"AccessDeniedException","message":"not authorized"}"#;

    /// Two pages: the role with a path and in an old version only, and others that resemble it.
    const EU: Script = &[
        (
            "GET /functions Marker=two",
            200,
            r#"{"Functions":[
                {"FunctionArn":"arn:aws:lambda:eu-west-1:111122223333:function:old:$LATEST","Role":"arn:aws:iam::111122223333:role/other"},
                {"FunctionArn":"arn:aws:lambda:eu-west-1:111122223333:function:old:4","Role":"arn:aws:iam::111122223333:role/billing-role",
                 "Layers":[{"Arn":"arn:aws:lambda:eu-west-1:111122223333:layer:deps:2"}]},
                {"FunctionArn":"arn:aws:lambda:eu-west-1:111122223333:function:stranger:$LATEST","Role":"arn:aws:iam::999999999999:role/billing-role"}]}"#,
        ),
        (
            "GET /functions FunctionVersion=ALL MaxItems=50",
            200,
            r#"{"NextMarker":"two","Functions":[
                {"FunctionArn":"arn:aws:lambda:eu-west-1:111122223333:function:billing:$LATEST","Role":"arn:aws:iam::111122223333:role/service-role/billing-role",
                 "Layers":[{"Arn":"arn:aws:lambda:eu-west-1:111122223333:layer:deps:7"},{"Arn":"arn:aws:lambda:eu-west-1:444455556666:layer:deps:1"}]},
                {"FunctionArn":"arn:aws:lambda:eu-west-1:111122223333:function:longer:$LATEST","Role":"arn:aws:iam::111122223333:role/billing-role-2",
                 "Layers":[{"Arn":"arn:aws:lambda:eu-west-1:111122223333:layer:deps-2:1"}]}]}"#,
        ),
        (
            "ListEntitiesForPolicy Marker=more",
            200,
            "<ListEntitiesForPolicyResponse><ListEntitiesForPolicyResult><IsTruncated>false</IsTruncated><PolicyRoles><member><RoleName>other</RoleName></member></PolicyRoles></ListEntitiesForPolicyResult></ListEntitiesForPolicyResponse>",
        ),
        (
            "ListEntitiesForPolicy EntityFilter=Role",
            200,
            "<ListEntitiesForPolicyResponse><ListEntitiesForPolicyResult><IsTruncated>true</IsTruncated><Marker>more</Marker><PolicyRoles><member><RoleName>billing-role-2</RoleName></member></PolicyRoles></ListEntitiesForPolicyResult></ListEntitiesForPolicyResponse>",
        ),
        (
            "GET /event-source-mappings/0e5f",
            200,
            r#"{"UUID":"0e5f","FunctionArn":"arn:aws:lambda:eu-west-1:111122223333:function:billing:live"}"#,
        ),
        (
            "GET /event-source-mappings/",
            404,
            r#"{"__type":"ResourceNotFoundException","Message":"gone"}"#,
        ),
        (
            "GET /code-signing-configs/ csc-1 /functions",
            200,
            r#"{"FunctionArns":["arn:aws:lambda:eu-west-1:111122223333:function:billing"]}"#,
        ),
    ];
    const US: Script = &[(
        "GET /functions",
        200,
        r#"{"Functions":[{"FunctionArn":"arn:aws:lambda:us-east-1:111122223333:function:abroad:$LATEST","Role":"arn:aws:iam::111122223333:role/billing-role"}]}"#,
    )];
    const REFUSING: Script = &[
        ("GET", 403, DENIED),
        (
            "ListEntitiesForPolicy",
            403,
            "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>",
        ),
    ];

    async fn locate(clients: &[Clients], arn: &str) -> Result<Located, LocateError> {
        functions_concerned(clients, &Target::from_arn(arn).unwrap()).await
    }

    /// What was located, as `region/name` or, for anything but a function, its ARN.
    async fn found(clients: &[Clients], arn: &str) -> (Vec<String>, Vec<String>) {
        let located = locate(clients, arn).await.unwrap();
        let name = |target: &Target| match (target.kind, &target.qualifier) {
            (ResourceKind::Function, None) => format!("{}/{}", target.region, target.name),
            _ => target.arn(),
        };
        (located.targets.iter().map(name).collect(), located.gaps)
    }

    fn nothing() -> Vec<String> {
        Vec::new()
    }

    #[tokio::test]
    async fn a_function_and_a_part_of_the_responder_lead_to_themselves_without_a_call() {
        for arn in [
            "arn:aws:lambda:eu-west-1:111122223333:function:billing:7",
            "arn:aws:cloudtrail:eu-west-1:111122223333:trail/audit",
            "arn:aws:sqs:eu-west-1:111122223333:coldcase-events",
        ] {
            let (clients, asked) = clients_noting("eu-west-1", REFUSING);
            assert_eq!(
                found(&[clients], arn).await,
                (vec![arn.to_owned()], nothing())
            );
            assert!(asked.lock().unwrap().is_empty());
        }
    }

    #[tokio::test]
    async fn a_role_leads_to_its_functions_in_every_region_on_every_page_whatever_its_path() {
        let both = [clients("eu-west-1", EU), clients("us-east-1", US)];
        let expected = ["eu-west-1/billing", "eu-west-1/old", "us-east-1/abroad"];
        assert_eq!(
            found(&both, ROLE).await,
            (expected.map(str::to_owned).to_vec(), nothing())
        );
    }

    #[tokio::test]
    async fn a_role_that_no_function_uses_leads_to_nothing() {
        let clients = [clients("eu-west-1", EU)];
        let unused = "arn:aws:iam::111122223333:role/unused";
        assert_eq!(found(&clients, unused).await, (nothing(), nothing()));
    }

    #[tokio::test]
    async fn a_layer_leads_to_whoever_carries_any_version_of_it() {
        let clients = [clients("us-east-1", US), clients("eu-west-1", EU)];
        let layer = "arn:aws:lambda:eu-west-1:111122223333:layer:deps:8";
        let expected = ["eu-west-1/billing", "eu-west-1/old"];
        assert_eq!(
            found(&clients, layer).await,
            (expected.map(str::to_owned).to_vec(), nothing())
        );
    }

    #[tokio::test]
    async fn a_layer_of_a_region_that_is_not_configured_is_a_gap_on_the_layer() {
        let clients = [clients("us-east-1", US)];
        let layer = "arn:aws:lambda:eu-west-1:111122223333:layer:deps:8";
        let (targets, gaps) = found(&clients, layer).await;
        assert_eq!(targets, [layer]);
        assert!(gaps[0].contains("eu-west-1"), "{gaps:?}");
    }

    #[tokio::test]
    async fn a_policy_leads_over_all_its_roles_to_their_functions() {
        let clients = [clients("eu-west-1", EU)];
        let policy = "arn:aws:iam::111122223333:policy/team/deploy";
        let expected = ["eu-west-1/longer", "eu-west-1/old"];
        assert_eq!(
            found(&clients, policy).await,
            (expected.map(str::to_owned).to_vec(), nothing())
        );
    }

    #[tokio::test]
    async fn a_mapping_leads_to_its_function_and_a_deleted_one_to_itself() {
        let clients = [clients("eu-west-1", EU)];
        let of =
            |uuid| format!("arn:aws:lambda:eu-west-1:111122223333:event-source-mapping:{uuid}");
        assert_eq!(
            found(&clients, &of("0e5f")).await,
            (vec!["eu-west-1/billing".to_owned()], nothing())
        );
        assert_eq!(
            found(&clients, &of("dead")).await,
            (
                vec![of("dead")],
                vec![
                    "lambda:GetEventSourceMapping in eu-west-1: ResourceNotFoundException"
                        .to_owned()
                ]
            )
        );
    }

    #[tokio::test]
    async fn a_code_signing_configuration_leads_to_the_functions_it_binds() {
        let clients = [clients("eu-west-1", EU)];
        let arn = "arn:aws:lambda:eu-west-1:111122223333:code-signing-config:csc-1";
        assert_eq!(
            found(&clients, arn).await,
            (vec!["eu-west-1/billing".to_owned()], nothing())
        );
    }

    #[tokio::test]
    async fn a_denied_lookup_is_a_gap_on_the_asked_target_and_the_other_regions_go_on() {
        let both = [clients("eu-west-1", REFUSING), clients("us-east-1", US)];
        let (targets, gaps) = found(&both, ROLE).await;
        assert_eq!(targets, ["us-east-1/abroad", ROLE]);
        assert_eq!(
            gaps,
            ["lambda:ListFunctions in eu-west-1: AccessDeniedException"]
        );
        let policy = "arn:aws:iam::111122223333:policy/deploy";
        let (targets, gaps) = found(&both, policy).await;
        assert_eq!(targets, [policy]);
        assert_eq!(
            gaps,
            ["iam:ListEntitiesForPolicy in eu-west-1: AccessDenied"]
        );
    }

    #[tokio::test]
    async fn no_region_at_all_is_a_gap() {
        let (targets, gaps) = found(&[], ROLE).await;
        assert_eq!((targets.len(), gaps.len()), (1, 1));
    }

    #[tokio::test]
    async fn what_may_pass_is_an_error_so_that_the_queue_delivers_again() {
        const THROTTLED: Script = &[(
            "GET",
            429,
            r#"{"__type":"TooManyRequestsException","message":"Rate exceeded"}"#,
        )];
        const BROKEN: Script = &[("GET", 503, "")];
        for script in [THROTTLED, BROKEN] {
            let clients = [clients("us-east-1", US), clients("eu-west-1", script)];
            let error = locate(&clients, ROLE).await.unwrap_err();
            assert!(
                error.why.starts_with("lambda:ListFunctions in eu-west-1"),
                "{error}"
            );
        }
    }
}
