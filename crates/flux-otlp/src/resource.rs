//! Who sends: attributes of the resource and of the scope.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_sdk::trace::{IdGenerator as _, RandomIdGenerator};

/// Returns the resource that a broker is: a service, with further attributes, which may say otherwise.
pub(crate) fn resource(service_name: &str, attributes: &[(String, String)]) -> Resource {
    // Two brokers of one name must not be taken for one that counts back and forth.
    let instance = RandomIdGenerator::default().new_trace_id().to_string();
    let of_service = [
        ("service.name", service_name),
        ("service.version", env!("CARGO_PKG_VERSION")),
        ("service.instance.id", &*instance),
    ];
    let is_said = |name: &str| attributes.iter().any(|(other, _)| other == name);
    let of_service = of_service.into_iter().filter(|(name, _)| !is_said(name));
    let of_service = of_service.map(|(name, value)| text(name, value));
    let further = attributes.iter().map(|(name, value)| text(name, value.as_str()));
    Resource { attributes: of_service.chain(further).collect(), ..Resource::default() }
}

/// Returns the scope of all that is sent.
pub(crate) fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: env!("CARGO_PKG_NAME").to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    }
}

pub(crate) fn text(name: &str, value: impl Into<String>) -> KeyValue {
    attribute(name, Value::StringValue(value.into()))
}

pub(crate) fn attribute(name: &str, value: Value) -> KeyValue {
    KeyValue {
        key: name.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(attributes: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned: Vec<_> = attributes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let all = resource("flux", &owned).attributes.into_iter();
        all.map(|it| match it.value.and_then(|value| value.value) {
            Some(Value::StringValue(value)) => (it.key, value),
            other => panic!("{other:?}"),
        })
        .collect()
    }

    #[test]
    fn what_is_said_of_the_resource_takes_the_place_of_what_is_known() {
        let found = names(&[("service.name", "plant 7"), ("site", "north")]);
        assert!(found.contains(&("service.name".to_owned(), "plant 7".to_owned())));
        assert!(found.contains(&("site".to_owned(), "north".to_owned())));
        assert_eq!(found.len(), 4);
        assert!(names(&[]).contains(&("service.name".to_owned(), "flux".to_owned())));
    }
}
