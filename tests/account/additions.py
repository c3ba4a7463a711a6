"""Puts every addition in place, once, before the account serves its first request."""

from account import (athena_queries, cloudformation, cloudtrail_additions, event_targets, function_logs,
                     function_sessions, images, lambda_additions, log_events, object_lock, permissions,
                     policy_resources, processes, roles, state_machines, xray)


def apply(guardian, enforce_memory: bool) -> None:
    permissions.apply()
    object_lock.apply()
    function_logs.apply()
    lambda_additions.apply()
    images.apply()
    xray.apply()
    roles.apply()
    event_targets.apply()
    cloudformation.apply()
    cloudtrail_additions.apply()
    function_sessions.apply()
    state_machines.apply()
    log_events.apply()
    athena_queries.apply()
    policy_resources.apply()
    processes.the_processes.apply(guardian, enforce_memory)


def stop() -> None:
    processes.stop()
