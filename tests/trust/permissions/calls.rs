//! Which action of IAM a request is, and on what.

use support::Recorded;

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// `s3:GetObject`.
    pub action: String,
    /// The bucket as `BUCKET`, or `COPIES` for another one, then the key; `*` beyond S3.
    pub on: String,
}

fn call(action: impl Into<String>, on: impl Into<String>) -> Call {
    Call {
        action: action.into(),
        on: on.into(),
    }
}

/// Of S3, as its reference has them under "Actions, resources, and condition keys". A copy reads its source, too.
pub fn of_s3(request: &Recorded, bucket: &str) -> Vec<Call> {
    let path = decode(&request.path);
    let path = path.trim_start_matches('/');
    let (found, key) = path.split_once('/').unwrap_or((path, ""));
    let place = if found == bucket { "BUCKET" } else { "COPIES" };
    let object = format!("{place}/{key}");
    let on_bucket = |action: &str| vec![call(format!("s3:{action}"), place)];
    let asks = |what: &str| {
        request
            .query
            .split('&')
            .any(|part| part.split('=').next() == Some(what))
    };
    if key.is_empty() {
        return match request.method.as_str() {
            "GET" if asks("encryption") => on_bucket("GetEncryptionConfiguration"),
            "GET" if asks("publicAccessBlock") => on_bucket("GetBucketPublicAccessBlock"),
            "GET" if asks("policyStatus") => on_bucket("GetBucketPolicyStatus"),
            "GET" if asks("acl") => on_bucket("GetBucketAcl"),
            "GET" if asks("lifecycle") => on_bucket("GetLifecycleConfiguration"),
            "GET" if asks("versioning") => on_bucket("GetBucketVersioning"),
            "GET" if asks("versions") => on_bucket("ListBucketVersions"),
            "GET" if asks("location") => on_bucket("GetBucketLocation"),
            "GET" | "HEAD" => on_bucket("ListBucket"),
            method => on_bucket(&format!("{method} of a bucket")),
        };
    }
    match request.method.as_str() {
        "GET" | "HEAD" => vec![call("s3:GetObject", object)],
        "PUT" => {
            let mut calls = vec![call("s3:PutObject", object)];
            if let Some(source) = request.header("x-amz-copy-source") {
                let source = decode(source);
                let key = source
                    .trim_start_matches('/')
                    .split_once('/')
                    .map_or("", |(_, key)| key);
                calls.push(call("s3:GetObject", format!("BUCKET/{key}")));
            }
            if request.header("x-amz-acl").is_some() {
                calls.push(call("s3:PutObjectAcl", format!("{place}/{key}")));
            }
            calls
        }
        "POST" => vec![call("s3:PutObject", object)],
        "DELETE" if asks("uploadId") => vec![call("s3:AbortMultipartUpload", object)],
        "DELETE" => vec![call("s3:DeleteObject", object)],
        method => vec![call(format!("s3:{method}"), object)],
    }
}

/// Of EC2, Auto Scaling and IAM, by the version of the protocol. `sts:GetCallerIdentity` needs no permission.
pub fn of_aws(request: &Recorded) -> Vec<Call> {
    let parameters = request.parameters();
    let service = match parameters.get("Version").map(String::as_str) {
        Some("2016-11-15") => "ec2",
        Some("2011-01-01") => "autoscaling",
        Some("2010-05-08") => "iam",
        Some("2011-06-15") => "sts",
        other => panic!("{:?} of {other:?}", request.action()),
    };
    let action = format!("{service}:{}", request.action().unwrap());
    if action == "sts:GetCallerIdentity" {
        return Vec::new();
    }
    let mut calls = vec![call(action, "*")];
    // What is tagged while it is made wants the right to tag.
    if parameters.keys().any(|name| name.starts_with("TagSpecification")) {
        calls.push(call("ec2:CreateTags", "*"));
    }
    calls
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        let hex = more.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &more[2..];
            }
            _ => {
                bytes.push(*first);
                rest = more;
            }
        }
    }
    String::from_utf8(bytes).unwrap()
}
