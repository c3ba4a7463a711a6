//! Whole journeys: real calls in the local account, real events, the deployed function under its own
//! role, and what is in the vault afterwards.
#![allow(clippy::unwrap_used, clippy::expect_used)] // A journey that cannot go on has failed.

mod baseline;
mod contents;
mod crash;
mod delivery;
mod desk_baseline;
mod desk_contain;
mod desk_doctor;
mod desk_people;
mod desk_respond;
mod desk_verify;
mod direct;
mod events;
mod evidence_locked;
mod examine;
mod investigate;
mod investigate_crash;
mod investigate_large;
mod investigate_permissions;
mod investigate_window;
mod large;
mod noise;
mod operations;
mod outcomes;
mod own_parts;
mod permissions;
mod redelivery;
mod roles;
mod roles_policy;
mod secrets;
mod template;
mod tracing;
mod vault_contract;
