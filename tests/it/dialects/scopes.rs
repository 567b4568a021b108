//! Which of their systems' events endpoints take: agencies and sandboxes of eCourtDate, sources of Claimable.

use casewire::{EndpointDraft, EndpointPatch, ErrorKind, Source};
use casewire_data::samples;

use super::{ALL, Spoken, fields, obliging, sample};
use crate::support::{Embedded, Receiver};

const CATEGORIES: [&str; 9] = [
    "messages.*",
    "events.*",
    "payments.*",
    "checkins.*",
    "forms.*",
    "chatbot.*",
    "warrants.*",
    "citations.*",
    "signatures.*",
];

fn ecourtdate(url: String) -> EndpointDraft {
    let events = CATEGORIES.map(str::to_owned).into();
    EndpointDraft { events, ..Spoken::of("ecourtdate@1").draft(url) }
}

#[tokio::test]
async fn a_sandbox_of_ecourtdate_takes_inbound_messages_only_and_agencies_those_of_theirs() {
    let (home, receiver) = (Embedded::start(), Receiver::willing());
    home.subscribe(ecourtdate(receiver.at("/all"))).await;
    let sandbox = EndpointDraft { sandbox: true, ..ecourtdate(receiver.at("/sandbox")) };
    let sandbox = home.subscribe(sandbox).await;
    let agencies = vec!["harlow-county-court".to_owned()];
    home.subscribe(EndpointDraft { agencies, ..ecourtdate(receiver.at("/harlow")) }).await;

    let mut total = 0;
    for (event_type, json) in samples::of("ecourtdate") {
        let event = samples::parse(json).unwrap();
        let is_harlow = event.agency.as_deref() == Some("harlow-county-court");
        let expected = 1 + usize::from(event_type == "messages.received") + usize::from(is_harlow);
        let receipt = home.engine.publisher().publish_event(event).await.unwrap();
        assert_eq!(receipt.deliveries, expected, "{event_type}");
        total += expected;
    }
    receiver.received(total).await;
    let at = |path: &str| receiver.requests().into_iter().filter(|it| it.path == path).collect::<Vec<_>>();
    let [inbound] = at("/sandbox").try_into().unwrap_or_else(|all| panic!("{all:?}"));
    assert!(inbound.text().contains(r#""direction":"inbound""#), "{}", inbound.text());
    assert_eq!(at("/all").len(), samples::of("ecourtdate").count());
    assert!((1..at("/all").len()).contains(&at("/harlow").len()), "some samples are of other agencies");

    let grown_up = EndpointPatch { sandbox: Some(false), ..EndpointPatch::default() };
    home.tenant().update_endpoint(sandbox, grown_up).await.unwrap();
    let paid = sample("ecourtdate", "payments.created");
    assert_eq!(home.engine.publisher().publish_event(paid).await.unwrap().deliveries, 3);
}

#[tokio::test]
async fn where_a_system_has_no_sandbox_there_is_none() {
    let (home, receiver) = (Embedded::start(), Receiver::start(|request| obliging(request, 200)));
    for spoken in ALL.iter().filter(|spoken| spoken.dialect != "ecourtdate@1") {
        let draft = EndpointDraft { sandbox: true, ..spoken.draft(receiver.url()) };
        let error = spoken.tenant(&home).create_endpoint(draft).await.unwrap_err();
        assert_eq!(
            (error.kind(), fields(&error)),
            (ErrorKind::Invalid, vec!["sandbox"]),
            "{}",
            spoken.dialect
        );
    }
}

#[tokio::test]
async fn an_endpoint_of_claimable_may_leave_out_what_came_by_the_api() {
    let (home, receiver) = (Embedded::start(), Receiver::willing());
    for (path, sources) in [("/ui-only", vec![Source::Ui]), ("/ui+api", vec![])] {
        let draft = Spoken::of("claimable@1").draft(receiver.at(path));
        home.subscribe(EndpointDraft { sources, ..draft }).await;
    }
    for (kind, deliveries) in [("ui", 2), ("api", 1)] {
        let mut event = sample("claimable", "claim.assigned");
        event.actor.as_mut().unwrap().kind = kind.to_owned();
        let receipt = home.engine.publisher().publish_event(event).await.unwrap();
        assert_eq!(receipt.deliveries, deliveries, "{kind}");
    }
    receiver.received(3).await;
    home.shutdown().await;
    let by_api: Vec<_> =
        receiver.requests().into_iter().filter(|it| it.text().contains(r#""source":"api""#)).collect();
    assert_eq!(by_api.iter().map(|request| request.path.as_str()).collect::<Vec<_>>(), ["/ui+api"]);
    let performed_by = r#""source":"api","performed_by":{"name":"Maren Ashdown"}}"#;
    assert!(by_api[0].text().ends_with(performed_by), "{}", by_api[0].text());
}
