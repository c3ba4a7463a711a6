//! What a binding of a Cloudflare Worker tells of what it is bound to.

/// Fields that name what is bound and how; sorted. A value, or what nobody knows yet, is in none of them.
///
/// Source: the types of bindings in Cloudflare's own SDK (`cloudflare` 7.3.0).
const NAMING: [&str; 40] = [
    "algorithm",
    "allowed_destination_addresses",
    "allowed_sender_addresses",
    "app_id",
    "bucket_name",
    "certificate_id",
    "class_name",
    "database_id",
    "dataset",
    "destination_address",
    "dispatch_namespace",
    "entrypoint",
    "environment",
    "format",
    "id",
    "identity",
    "index_name",
    "instance_name",
    "jurisdiction",
    "name",
    "namespace",
    "namespace_id",
    "network_id",
    "old_name",
    "outbound",
    "part",
    "pipeline",
    "queue_name",
    "script_name",
    "secret_name",
    "service",
    "service_id",
    "simple",
    "store_id",
    "stream",
    "tunnel_id",
    "type",
    "usages",
    "version_id",
    "workflow_name",
];

/// Whether a field of a binding names what is bound; all others may hold a value or a key.
pub fn names_what_is_bound(field: &str) -> bool {
    NAMING.binary_search(&field).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_or_a_field_of_tomorrow_names_nothing() {
        assert!(NAMING.is_sorted());
        for field in ["text", "json", "key_base64", "key_jwk", "passphrase", ""] {
            assert!(!names_what_is_bound(field), "{field}");
        }
        assert!(NAMING.iter().all(|field| names_what_is_bound(field)));
    }
}
