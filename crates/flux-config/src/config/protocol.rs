//! What is spoken with clients.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::value::{OneOrMore, Period, Size};

/// What is spoken with clients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Protocol {
    /// The versions of MQTT that are spoken. A CONNECT of another is refused with 0x84.
    pub versions: OneOrMore<MqttVersion>,
    /// The highest quality of service granted and sent. With 1, QoS 2 is granted as 1.
    #[schemars(range(max = 2))]
    pub max_qos: u8,
    /// Whether clients may have messages retained. Otherwise one of MQTT 5.0 that tries is disconnected with 0x9A, and what
    /// an older one wants retained is delivered and not retained.
    pub retain_available: bool,
    /// Whether filters may have wildcards. Otherwise those are refused with 0xA2.
    pub wildcard_subscriptions: bool,
    /// Whether subscriptions may have identifiers. Otherwise those are refused with 0xA1.
    pub subscription_identifiers: bool,
    /// Whether subscriptions may be shared. Otherwise those are refused with 0x9E.
    pub shared_subscriptions: bool,
    /// Whether clients may come without an identifier, and are given one. Otherwise they are refused with 0x85.
    pub empty_client_ids: bool,
    /// Topic aliases that a client may use (Topic Alias Maximum). Each may hold a name of 65,535 bytes.
    pub topic_alias_maximum: u16,
    /// Topic aliases that are used towards a client which takes as many or more.
    pub topic_alias_maximum_cap: u16,
    /// The shortest Keep Alive, in whole seconds. A client of MQTT 5.0 that asks for a shorter one gets this one.
    /// Without it everybody gets what it asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Period", extend("x-example" = "10s", "x-minimum" = "1s", "x-maximum" = "65535s"))]
    pub min_keep_alive: Option<Period>,
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
    /// closed, with 0x88 if its CONNECT had come. A client that proves itself step by step (SCRAM) has a third of it for each.
    #[schemars(extend("x-minimum" = "1ms"))]
    pub connect_timeout: Period,
    /// Bytes that may wait unsent in a connection before deliveries stay in the session.
    #[schemars(extend("x-minimum" = "1B", "x-changes" = "start"))]
    pub unsent_for_deliveries: Size,
    /// Bytes that may wait unsent in a connection before the broker stops reading from it.
    #[schemars(extend("x-minimum" = "1B"))]
    pub unsent_for_answers: Size,
}

impl Default for Protocol {
    fn default() -> Self {
        Self {
            versions: OneOrMore(vec![MqttVersion::V3_1, MqttVersion::V3_1_1, MqttVersion::V5_0]),
            max_qos: 2,
            retain_available: true,
            wildcard_subscriptions: true,
            subscription_identifiers: true,
            shared_subscriptions: true,
            empty_client_ids: true,
            topic_alias_maximum: 16,
            topic_alias_maximum_cap: 16,
            min_keep_alive: None,
            max_keep_alive: None,
            response_information: None,
            connect_timeout: Period(Duration::from_secs(10)),
            unsent_for_deliveries: Size(64 << 10),
            unsent_for_answers: Size(16 << 20),
        }
    }
}

/// A version of MQTT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MqttVersion {
    /// MQTT 3.1.
    #[serde(rename = "3.1")]
    V3_1,
    /// MQTT 3.1.1.
    #[serde(rename = "3.1.1")]
    V3_1_1,
    /// MQTT 5.0.
    #[serde(rename = "5.0")]
    V5_0,
}
