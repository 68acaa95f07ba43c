use super::*;
use crate::model::backup::contents::testing::Fake;
use crate::model::kubernetes::testing::{bytes_field, object_meta, unknown};

const CERTIFICATE: &[u8] = br#"{"apiVersion":"cert-manager.io/v1","kind":"Certificate","metadata":{"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{\"apiVersion\":\"cert-manager.io/v1\",\"kind\":\"Certificate\",\"metadata\":{\"name\":\"web\"}}\n"},"creationTimestamp":"2026-11-22T15:18:01Z","labels":{"app":"web"},"name":"web","namespace":"shop","uid":"u-1"},"spec":{"dnsNames":["shop.example.com"],"duration":"2160h","empty":{},"enabled":"yes","none":null,"port":443,"share":0.5}}"#;

fn fake() -> Fake {
    let config = [bytes_field(1, &object_meta("plain", "shop", "u-2", 1_795_360_681))].concat();
    Fake::of(&[
        ("/registry/cert-manager.io/certificates/shop/web", 0, CERTIFICATE),
        ("/registry/configmaps/shop/broken", 0, b"k8s\0\x12\x05a"),
        (
            "/registry/configmaps/shop/plain",
            0,
            &unknown("v1", "ConfigMap", &config),
        ),
        (
            "/registry/events/shop/e",
            0,
            br#"{"apiVersion":"v1","kind":"Event","metadata":{"name":"e"}}"#,
        ),
        ("/registry/secrets/billing/s1", 0, b"k8s:enc:aescbc:v1:key1:\x00\x01"),
        ("compact_rev_key", 0, b"290"),
    ])
}

fn writing(form: Form) -> Writing {
    Writing {
        form,
        labels: None,
        along: None,
    }
}

fn write_at(index: usize, writing: &Writing) -> (Result<Written, ExportError>, String) {
    let (fake, mut out) = (fake(), b"before;".to_vec());
    let written = write(fake.snapshot(), &fake.content.keys[index], writing, &mut out);
    (written, String::from_utf8(out).unwrap())
}

fn whole_with(remarks: Vec<Remark>) -> Written {
    Written::Whole {
        unknown: Vec::new(),
        remarks,
    }
}

#[test]
fn an_object_is_written_in_every_form_with_its_resource_version() {
    let mut texts = Vec::new();
    for form in [Form::Name, Form::JsonLine, Form::Json, Form::Yaml] {
        let (written, text) = write_at(0, &writing(form));
        assert_eq!(written.unwrap(), whole_with(Vec::new()));
        texts.push(text.strip_prefix("before;").unwrap().to_owned());
    }
    let mut expected: Json = serde_json::from_slice(CERTIFICATE).unwrap();
    expected["metadata"]["resourceVersion"] = "2".into();
    assert_eq!(texts[0], "certificates.cert-manager.io/shop/web");
    for json in &texts[1..3] {
        assert_eq!(serde_json::from_str::<Json>(json).unwrap(), expected);
    }
    assert!(!texts[1].contains('\n'));
    assert_eq!(serde_saphyr::from_str::<Json>(&texts[3]).unwrap(), expected);
    insta::assert_snapshot!(texts[3]);
}

#[test]
fn for_applying_it_is_written_without_what_the_api_server_owns() {
    let along = Writing {
        along: Some(Along::default()),
        ..writing(Form::Yaml)
    };
    let (written, text) = write_at(0, &along);
    assert_eq!(written.unwrap(), whole_with(Vec::new()));
    let written: Json = serde_saphyr::from_str(text.strip_prefix("before;").unwrap()).unwrap();
    assert!(written["metadata"].get("uid").is_none() && written["metadata"].get("resourceVersion").is_none());
    assert_eq!(written["metadata"]["labels"]["app"], "web");
    let (left_out, text) = write_at(3, &along);
    assert_eq!(
        (left_out.unwrap(), text.as_str()),
        (Written::LeftOut(LeftOut::OfAMoment), "before;")
    );
}

#[test]
fn other_labels_are_not_selected() {
    for (selector, selected) in [("app=web", true), ("app!=web", false)] {
        let labels = Writing {
            labels: Some(selector.parse().unwrap()),
            ..writing(Form::Name)
        };
        let (written, text) = write_at(0, &labels);
        assert_eq!(written.unwrap() != Written::NotSelected, selected);
        assert_eq!(text != "before;", selected);
    }
}

#[test]
fn what_cannot_be_written_says_why_and_leaves_nothing() {
    let mut refusals = Vec::new();
    for index in [1, 4, 5] {
        let (written, text) = write_at(index, &writing(Form::Yaml));
        let error = written.unwrap_err();
        assert_eq!(text, "before;");
        refusals.push(format!("{error}\nhint: {}", error.hint().unwrap_or_default()));
    }
    insta::assert_snapshot!(refusals.join("\n"));
}

#[test]
fn raw_bytes_are_there_in_any_case() {
    let fake = fake();
    let stored = raw(fake.snapshot(), &fake.content.keys[4]).unwrap();
    assert_eq!(stored, b"k8s:enc:aescbc:v1:key1:\x00\x01");
    assert_eq!(metadata(fake.snapshot(), &fake.content.keys[2]).unwrap().uid, "u-2");
}
