//! One run of one job: from the event to the gateway.
