//! To whom an attempt went, and where its time went.

use super::*;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

#[actix_rt::test]
async fn a_new_connection_has_its_steps_and_one_that_is_used_again_has_none() {
    let receiver = Receiver::answering(OK).await;
    let client = Dispatcher::with_resolver(&config("127.0.0.0/8"), Scripted::new(&["127.0.0.1"]));
    let request = request(&format!("http://crm.example:{}/", receiver.address.port()));
    let (_, opened) = client.attempt(&request, AMPLE).await;
    assert_eq!(opened.remote, Some(receiver.address));
    assert!(opened.dns_us.is_some() && opened.connect_us.is_some() && opened.first_byte_us.is_some());
    assert_eq!(opened.tls_us, None, "over plain http");
    let (_, again) = client.attempt(&request, AMPLE).await;
    assert_eq!(again.remote, opened.remote);
    assert_eq!((again.dns_us, again.connect_us, again.tls_us), (None, None, None));
    assert!(again.first_byte_us.is_some());
}

#[actix_rt::test]
async fn the_first_byte_is_waited_for_and_the_rest_of_the_answer_is_not_part_of_it() {
    let receiver = Receiver::start(|_, mut stream| async move {
        read_request(&mut stream).await?;
        actix_rt::time::sleep(SHORT).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no").await?;
        actix_rt::time::sleep(SHORT * 3).await;
        stream.write_all(b"k").await
    })
    .await;
    let begun = Instant::now();
    let (outcome, transit) = dispatcher().attempt(&receiver.request(), AMPLE).await;
    assert_eq!(body(&outcome), b"ok");
    let first_byte = Duration::from_micros(transit.first_byte_us.unwrap().get().into());
    assert!(first_byte >= SHORT && first_byte + SHORT * 3 <= begun.elapsed(), "{first_byte:?}");
}

#[actix_rt::test]
async fn what_an_attempt_did_not_come_to_is_absent() {
    let silent = Receiver::start(|_, mut stream| async move { hold(&mut stream).await }).await;
    let (outcome, transit) = dispatcher().attempt(&silent.request(), SHORT).await;
    assert_eq!(class(&outcome), FailureClass::Timeout);
    assert_eq!((transit.remote, transit.first_byte_us), (Some(silent.address), None));
    assert!(transit.connect_us.is_some());

    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (_, transit) = dispatcher().attempt(&request(&format!("http://{free}/")), AMPLE).await;
    assert_eq!(transit.remote, Some(free), "who refused");
    assert!(transit.connect_us.is_some());

    let closed = Dispatcher::with_resolver(&config(""), Scripted::new(&["127.0.0.1"]));
    let (_, transit) = closed.attempt(&request("https://crm.example/"), AMPLE).await;
    assert_eq!((transit.remote, transit.connect_us), (None, None), "nothing was dialled");
    assert!(transit.dns_us.is_some());
}

#[actix_rt::test]
async fn an_attempt_whose_time_ended_says_what_it_waited_for() {
    /// Never answers.
    struct Lost;
    impl Resolve for Lost {
        fn lookup<'a>(
            &'a self,
            _host: &'a str,
            _port: u16,
        ) -> futures_util::future::LocalBoxFuture<'a, io::Result<Vec<SocketAddr>>> {
            Box::pin(std::future::pending())
        }
    }
    let lost = Dispatcher::with_resolver(&config(""), Rc::new(Lost));
    let (outcome, transit) = lost.attempt(&request("https://crm.example/"), SHORT).await;
    assert_eq!(outcome.summary(), "no answer in 300 ms (the host's name was not resolved)");
    assert_eq!(transit, Transit::default());

    let silent = Receiver::start(|_, mut stream| async move { hold(&mut stream).await }).await;
    let url = format!("https://localhost:{}/", silent.address.port());
    let (outcome, transit) = dispatcher().attempt(&request(&url), SHORT).await;
    assert_eq!(outcome.summary(), "no answer in 300 ms (the TLS handshake did not end)");
    assert_eq!((transit.remote, transit.tls_us), (Some(silent.address), None));
}
