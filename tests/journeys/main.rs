//! Whole journeys: real calls in the local account, real events, the deployed function under its own
//! role, and what is in the vault afterwards.

mod contents;
mod crash;
mod delivery;
mod direct;
mod events;
mod evidence_locked;
mod large;
mod noise;
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
