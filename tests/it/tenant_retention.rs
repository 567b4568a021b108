//! A tenant that keeps its events for less time than others: they are gone for it, and for nobody else.

use casewire::{EndpointStatus, ErrorKind, Limits, NewEvent, Tenant};

use crate::support::{Embedded, Receiver, to, wait_until};

#[tokio::test]
async fn events_of_a_tenant_go_by_its_own_period_and_those_of_others_stay() {
    let north = Tenant::new("north").unwrap();
    let tenants_retention_ms = [(north.clone(), 1_000)].into();
    let home = Embedded::with(move |builder| {
        builder
            .limits(Limits { tenants_retention_ms: Clone::clone(&tenants_retention_ms), ..Limits::default() })
    });
    let receiver = Receiver::willing();
    let tenant = home.engine.tenant(north.clone());
    let endpoint = tenant.create_endpoint(to(receiver.url(), &["held"])).await.unwrap().endpoint.id;
    let ours = home.subscribe(to(receiver.url(), &["held"])).await;
    for (tenant, endpoint) in [(&tenant, endpoint), (&home.tenant(), ours)] {
        let paused = casewire::EndpointPatch { status: Some(EndpointStatus::Paused), ..Default::default() };
        tenant.update_endpoint(endpoint, paused).await.unwrap();
    }
    let old = tenant.publish(NewEvent::new("held", "1").unwrap()).await.unwrap().id;
    let theirs = home.publish("held").await;
    // A segment ends with what comes after it has aged.
    let looked = async || {
        tenant.publish(NewEvent::new("more", "1").unwrap()).await.unwrap();
        tenant.event(old).await
    };
    let gone = wait_until(looked, Result::is_err).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
    assert!(home.tenant().event(theirs).await.is_ok());
    tenant.delete_endpoint(endpoint).await.unwrap();
    home.set_status(ours, EndpointStatus::Active).await;
    home.until(theirs, ours, casewire::DeliveryStatus::Delivered).await;
    assert_eq!(receiver.events(), [theirs], "what is gone is sent to nobody");
    let home = home.restart().await;
    assert_eq!(home.engine.tenant(north).event(old).await.unwrap_err().kind(), ErrorKind::NotFound);
    home.shutdown().await;
}
