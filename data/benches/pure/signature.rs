//! Signing what is sent: a body of 1 KB with an id and a time before it, as Standard Webhooks has it.

use std::hint::black_box;

use casewire_data::{
    secret::{Secret, SecretForm},
    signature::{self, Algorithm, SigningKey},
};
use criterion::{Criterion, Throughput};

const BODY: [u8; 1_024] = [b'x'; 1_024];
const BEFORE: &[u8] = b"evt_01HSYRVJT0000000000000000.1711479196.";

/// With both algorithms, beside the hash that one of them rests on.
pub fn signing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sign");
    group.throughput(Throughput::Bytes(BODY.len() as u64));
    for (name, form, algorithm) in [
        ("HMAC-SHA256", SecretForm::Whsec, Algorithm::HmacSha256),
        ("Ed25519", SecretForm::Whsk, Algorithm::Ed25519),
    ] {
        let key = SigningKey::new(&Secret::generate_as(form, [7; 32]), algorithm).unwrap();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                key.sign(|take| {
                    [BEFORE, black_box(&BODY)].into_iter().for_each(take);
                    true
                })
            });
        });
    }
    // What no HMAC can be cheaper than.
    group.bench_function("SHA-256 alone", |bencher| bencher.iter(|| signature::sha256(black_box(&BODY))));
}
