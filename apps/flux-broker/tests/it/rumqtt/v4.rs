//! rumqttc speaking MQTT 3.1.1.

use std::collections::VecDeque;
use std::net::SocketAddr;

use rumqttc::{
    AsyncClient, Event, EventLoop, LastWill, MqttOptions, Outgoing, Packet, Publish, QoS,
    TlsConfiguration, Transport,
};

use super::peer::{Message, Options, Peer, in_time};

pub(crate) struct Client {
    client: AsyncClient,
    events: EventLoop,
    inbox: VecDeque<Publish>,
    session_present: bool,
}

impl Client {
    /// Polls until this event has come; messages that come before it wait.
    async fn until(&mut self, mut is_it: impl FnMut(&Event) -> bool) -> Event {
        loop {
            let event = in_time(self.events.poll()).await.unwrap();
            if let Event::Incoming(Packet::Publish(publish)) = &event {
                self.inbox.push_back(publish.clone());
            }
            if is_it(&event) {
                return event;
            }
        }
    }
}

impl Peer for Client {
    async fn connect(address: SocketAddr, options: Options) -> Self {
        let mut settings =
            MqttOptions::new(options.client_id, address.ip().to_string(), address.port());
        settings.set_clean_session(!options.is_persistent);
        if let Some((topic, payload)) = options.will {
            settings.set_last_will(LastWill::new(topic, payload, QoS::AtLeastOnce, false));
        }
        if let Some(config) = options.tls {
            settings.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(config)));
        }
        let (client, events) = AsyncClient::new(settings, 10);
        let mut peer = Self { client, events, inbox: VecDeque::new(), session_present: false };
        let connack = peer.until(|event| matches!(event, Event::Incoming(Packet::ConnAck(_))));
        if let Event::Incoming(Packet::ConnAck(connack)) = connack.await {
            peer.session_present = connack.session_present;
        }
        peer
    }

    fn session_present(&self) -> bool {
        self.session_present
    }

    async fn subscribe(&mut self, filter: &str, qos: u8) {
        self.client.subscribe(filter, rumqttc::qos(qos).unwrap()).await.unwrap();
        self.until(|event| matches!(event, Event::Incoming(Packet::SubAck(_)))).await;
    }

    async fn publish(&mut self, topic: &str, qos: u8, retain: bool, payload: &str) {
        self.client.publish(topic, rumqttc::qos(qos).unwrap(), retain, payload).await.unwrap();
        self.until(|event| match qos {
            0 => matches!(event, Event::Outgoing(Outgoing::Publish(_))),
            1 => matches!(event, Event::Incoming(Packet::PubAck(_))),
            _ => matches!(event, Event::Incoming(Packet::PubComp(_))),
        })
        .await;
    }

    async fn receive(&mut self) -> Message {
        if self.inbox.is_empty() {
            self.until(|event| matches!(event, Event::Incoming(Packet::Publish(_)))).await;
        }
        let publish = self.inbox.pop_front().unwrap();
        let payload = String::from_utf8(publish.payload.to_vec()).unwrap();
        Message { topic: publish.topic, payload, qos: publish.qos as u8, retain: publish.retain }
    }

    async fn disconnect(mut self) {
        self.client.disconnect().await.unwrap();
        while in_time(self.events.poll()).await.is_ok() {}
    }
}
