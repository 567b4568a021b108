//! Whoever does not know the secret is refused, learns nothing by it and leaves nothing behind.

use casewire_data::secret::SecretForm;

use super::*;

/// What is wrong with a request, and the request made so.
fn forgeries(system: &System) -> Vec<(&'static str, Sent)> {
    let genuine = system.genuine();
    let dialect = Dialects::builtin().get(system.dialect).unwrap();
    // Of Hivelight's requests only the header proves anything.
    let proof = dialect.header_names().last().unwrap().to_owned();
    let mut forged = vec![
        ("no proof", genuine.clone().without(&proof)),
        ("an empty proof", genuine.clone().without(&proof).with(&proof, "")),
        ("the proof of another", {
            let mut other = genuine.clone();
            let digit = other.header(&proof).pop().unwrap();
            other.header(&proof).push(if digit == 'a' { 'b' } else { 'a' });
            other
        }),
        ("64 KB of proof", genuine.clone().without(&proof).with(&proof, &"v1,YQ== ".repeat(8_000))),
    ];
    if proof != "X-Secret" {
        let mut body = genuine.body.clone();
        *body.last_mut().unwrap() ^= 1;
        forged.push(("another body", genuine.clone().with_body(body)));
        forged.push(("a space more", genuine.clone().with_body([&genuine.body[..], b" "].concat())));
        forged.push(("an empty body", genuine.clone().with_body("")));
    }
    if proof == "webhook-signature" {
        let mut id = genuine.clone();
        id.header("webhook-id").push('0');
        let mut later = genuine.clone();
        *later.header("webhook-timestamp") = (now().as_secs() + 60).to_string();
        forged.extend([("another id", id), ("another time", later)]);
        for seconds in [-301, 302, -86_400] {
            let at = now().plus_millis(seconds * 1_000);
            forged.push(("a time too far", system.request(system.events().remove(0), at)));
        }
    }
    forged
}

#[actix_web::test]
async fn a_forged_request_is_refused_like_one_to_nowhere_and_nothing_is_stored() {
    let door = Door::open().await;
    let nowhere = door.send(&system("github@1").genuine().at("/inbound/nowhere")).await;
    for (number, system) in proving().enumerate() {
        door.source(&system.draft()).await;
        for (what, forged) in forgeries(system) {
            let answer = door.send(&forged).await;
            answer.problem(401);
            assert_eq!(answer.text, nowhere.text, "{} {what}", system.dialect);
            assert_eq!(header_names(&answer), header_names(&nowhere), "{} {what}", system.dialect);
        }
        assert_eq!(door.stored().await, number as u64, "{}: only the genuine ones before", system.dialect);
        let answer = door.send(&system.genuine()).await;
        assert_eq!(answer.status, 202, "{}: the genuine one: {}", system.dialect, answer.text);
        door.close_source(system).await;
        assert_eq!(door.send(&system.genuine()).await.text, nowhere.text, "deleted");
    }
    door.close().await;
}

impl Door {
    async fn close_source(&self, system: &System) {
        let all = self.host.call(Method::GET, "/sources", "").await.data();
        let own = all.as_array().unwrap().iter().find(|it| it["name"] == system.name()).unwrap().clone();
        let path = format!("/sources/{}", own["id"].as_str().unwrap());
        assert_eq!(self.host.call(Method::DELETE, &path, "").await.status, 204);
    }
}

#[actix_web::test]
async fn a_source_with_another_secret_takes_nothing_and_a_new_one_ends_the_old() {
    for system in proving() {
        let door = Door::open().await;
        let other = if system.secret == Some(WHSEC) {
            Secret::generate_as(SecretForm::Whsec, [9; 32]).expose()
        } else {
            "another-secret".to_owned()
        };
        let source = door.source(&system.draft().replace(system.secret.unwrap(), &other)).await;
        door.send(&system.genuine()).await.problem(401);
        let path = format!("/sources/{}", source["id"].as_str().unwrap());
        let patch = json!({ "secret": system.secret }).to_string();
        assert_eq!(door.host.call(Method::PATCH, &path, &patch).await.status, 200);
        assert_eq!(door.send(&system.genuine()).await.status, 202, "{}", system.dialect);
        let back = json!({ "secret": other }).to_string();
        assert_eq!(door.host.call(Method::PATCH, &path, &back).await.status, 200);
        door.send(&system.genuine()).await.problem(401);
        assert_eq!(door.stored().await, 1);
        door.close().await;
    }
}

#[actix_web::test]
async fn who_signs_by_a_private_key_is_known_by_the_public_one() {
    let private = Secret::generate_as(SecretForm::Whsk, [5; 32]);
    let public = private.public_key().unwrap().expose();
    let text: &'static str = private.expose().leak();
    let signer = System::signed("standard@1", text);
    let door = Door::open().await;
    let draft = json!({ "name": signer.name(), "dialect": "standard@1", "secret": public }).to_string();
    assert_eq!(door.source(&draft).await["secret"], public.as_str());
    assert_eq!(door.send(&signer.genuine()).await.status, 202);
    door.send(&system("standard@1").genuine()).await.problem(401);
    door.close().await;
}

#[actix_web::test]
async fn a_time_within_five_minutes_is_near_enough() {
    let (system, door) = (system("xpath@1"), Door::of(system("xpath@1")).await);
    for (number, seconds) in [-295, 295].into_iter().enumerate() {
        let at = now().plus_millis(seconds * 1_000);
        let answer = door.send(&system.request(system.events().remove(number), at)).await;
        assert_eq!(answer.status, 202, "{seconds}: {}", answer.text);
    }
    door.close().await;
}
