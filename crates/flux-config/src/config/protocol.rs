//! What is spoken with clients.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::value::{Period, Size};

/// What is spoken with clients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Protocol {
    /// The highest quality of service granted and sent. With 1, QoS 2 is granted as 1.
    #[schemars(range(max = 2))]
    pub max_qos: u8,
    /// Topic aliases that a client may use (Topic Alias Maximum). Each may hold a name of 65,535 bytes.
    pub topic_alias_maximum: u16,
    /// Topic aliases that are used towards a client which takes as many or more.
    pub topic_alias_maximum_cap: u16,
    /// The longest Keep Alive, in whole seconds. A client of MQTT 5.0 that asks for a longer one, or for none, gets this one.
    /// Without it everybody gets what it asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Period", extend("x-example" = "10m", "x-minimum" = "1s", "x-maximum" = "65535s"))]
    pub max_keep_alive: Option<Period>,
    /// What a client of MQTT 5.0 that asks for Response Information gets. Without it: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = 65_535), extend("x-example" = "answers/"))]
    pub response_information: Option<String>,
    /// How long a connection may take until its CONNECT is complete, and again until it is decided about. Then it is
    /// closed, with 0x88 if its CONNECT had come.
    #[schemars(extend("x-minimum" = "1ms"))]
    pub connect_timeout: Period,
    /// Bytes that may wait unsent in a connection before deliveries stay in the session.
    #[schemars(extend("x-minimum" = "1B"))]
    pub unsent_for_deliveries: Size,
    /// Bytes that may wait unsent in a connection before the broker stops reading from it.
    #[schemars(extend("x-minimum" = "1B"))]
    pub unsent_for_answers: Size,
}

impl Default for Protocol {
    fn default() -> Self {
        Self {
            max_qos: 2,
            topic_alias_maximum: 16,
            topic_alias_maximum_cap: 16,
            max_keep_alive: None,
            response_information: None,
            connect_timeout: Period(Duration::from_secs(10)),
            unsent_for_deliveries: Size(64 << 10),
            unsent_for_answers: Size(16 << 20),
        }
    }
}
