//! Answers that come early, slowly, in pieces or without end.

use super::*;

/// Reads a request's head and nothing of its body.
async fn read_head(stream: &mut TcpStream) -> io::Result<()> {
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\n") {
        seen.push(stream.read_u8().await?);
    }
    Ok(())
}

/// A request too large for the buffers between here and there.
fn large(receiver: &Receiver) -> Request {
    Request { body: vec![b'x'; 8 * 1024 * 1024].into(), ..receiver.request() }
}

#[actix_rt::test]
async fn interim_responses_are_passed_over() {
    let answers: [&[u8]; 3] = [
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 103 x\r\n\r\nHTTP/1.1 202 \r\nContent-Length: 2\r\n\r\nok",
        b"\r\nHTTP/1.1 102\r\n\r\n\r\nHTTP/1.1 202\r\nContent-Length: 2\r\n\r\nok",
    ];
    for answer in answers {
        let whole = Receiver::answering(answer).await;
        let crawling = Receiver::start(move |_, mut stream| async move {
            stream.set_nodelay(true)?;
            read_request(&mut stream).await?;
            for byte in answer {
                stream.write_all(&[*byte]).await?;
                tokio::task::yield_now().await;
            }
            hold(&mut stream).await
        })
        .await;
        for receiver in [whole, crawling] {
            let outcome = dispatcher().outcome(&receiver.request(), AMPLE).await;
            assert_eq!((status(&outcome), body(&outcome)), (202, b"ok".as_slice()));
        }
    }
}

#[actix_rt::test]
async fn interim_responses_alone_are_no_answer() {
    let receiver = Receiver::answering(b"HTTP/1.1 100 Continue\r\n\r\n").await;
    assert_eq!(class(&dispatcher().outcome(&receiver.request(), SHORT).await), FailureClass::Timeout);
}

#[actix_rt::test]
async fn a_refusal_counts_though_the_request_was_not_read() {
    let receiver = Receiver::start(|_, mut stream| async move {
        read_head(&mut stream).await?;
        stream.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno").await?;
        hold_unread(stream).await
    })
    .await;
    let client = dispatcher();
    for connections in [1, 2] {
        let outcome = client.outcome(&large(&receiver), AMPLE).await;
        assert_eq!((status(&outcome), body(&outcome)), (413, b"no".as_slice()));
        assert_eq!(receiver.accepted.get(), connections, "half a request is on it");
    }
}

/// Keeps a connection open and reads nothing from it.
async fn hold_unread(stream: TcpStream) -> io::Result<()> {
    let _open = stream;
    std::future::pending().await
}

#[actix_rt::test]
async fn whoever_accepts_early_still_gets_the_whole_request() {
    let received = Rc::new(Cell::new(0));
    let counter = Rc::clone(&received);
    let receiver = Receiver::start(move |_, mut stream| {
        let counter = Rc::clone(&counter);
        async move {
            read_head(&mut stream).await?;
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await?;
            let mut body = vec![0; 8 * 1024 * 1024];
            counter.set(stream.read_exact(&mut body).await?);
            read_request(&mut stream).await?;
            stream.write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n").await
        }
    })
    .await;
    let client = dispatcher();
    assert_eq!(status(&client.outcome(&large(&receiver), AMPLE).await), 200);
    assert_eq!(status(&client.outcome(&receiver.request(), AMPLE).await), 201);
    assert_eq!((received.get(), receiver.accepted.get()), (8 * 1024 * 1024, 1));
}

#[actix_rt::test]
async fn whoever_accepts_and_never_reads_on_has_accepted() {
    let receiver = Receiver::start(|_, mut stream| async move {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await?;
        hold_unread(stream).await
    })
    .await;
    let started = Instant::now();
    assert_eq!(status(&dispatcher().outcome(&large(&receiver), SHORT).await), 200);
    assert!(started.elapsed() < SHORT + Duration::from_millis(500));
}

#[actix_rt::test]
async fn a_receiver_that_writes_before_it_reads_is_read_from_while_it_is_written_to() {
    const PAGE: usize = 8 * 1024 * 1024;
    let receiver = Receiver::start(|_, mut stream| async move {
        stream.write_all(format!("HTTP/1.1 200 OK\r\nX-Pad: {}\r\n", "x".repeat(20_000)).as_bytes()).await?;
        stream.write_all(format!("Content-Length: {PAGE}\r\n\r\n").as_bytes()).await?;
        stream.write_all(&vec![b'x'; PAGE]).await
    })
    .await;
    let outcome = dispatcher().outcome(&large(&receiver), AMPLE).await;
    assert_eq!((status(&outcome), body(&outcome).len()), (200, RESPONSE_KEPT_BYTES_MAX));
}

#[actix_rt::test]
async fn a_status_line_of_success_counts_whatever_becomes_of_the_headers() {
    let endless: &'static [u8] = b"X-Endless: yes\r\n".repeat(20_000).leak();
    let line: &'static [u8] = [b"X: ".as_slice(), &[b'x'; 100_000]].concat().leak();
    let rests: [&[u8]; 5] = [endless, line, b"no header\r\n\r\n", b"Content-Len", b""];
    for (rest, holds) in rests.into_iter().flat_map(|rest| [(rest, true), (rest, false)]) {
        let receiver = Receiver::start(move |_, mut stream| async move {
            read_request(&mut stream).await?;
            stream.write_all(b"HTTP/1.1 200 OK\r\n").await?;
            stream.write_all(rest).await?;
            if holds { hold(&mut stream).await } else { Ok(()) }
        })
        .await;
        let client = dispatcher();
        for _ in 0..2 {
            assert_eq!(status(&client.outcome(&receiver.request(), SHORT).await), 200);
        }
        assert_eq!(receiver.accepted.get(), 2, "never used again");
    }
}

#[actix_rt::test]
async fn a_head_that_crawls_is_read_until_the_deadline() {
    let receiver = Receiver::start(|_, mut stream| async move {
        read_request(&mut stream).await?;
        let mut beat = tokio::time::interval(Duration::from_millis(5));
        for byte in b"HTTP/1.1 500 Oh\r\nX: ".iter().chain([b'x'].iter().cycle()) {
            beat.tick().await;
            stream.write_all(&[*byte]).await?;
        }
        Ok(())
    })
    .await;
    assert_eq!(class(&dispatcher().outcome(&receiver.request(), SHORT).await), FailureClass::Timeout);
}

#[actix_rt::test]
async fn of_ten_gigabytes_hardly_any_are_read() {
    let receiver = Receiver::start(|_, mut stream| async move {
        read_request(&mut stream).await?;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n").await?;
        loop {
            stream.write_all(&[b'x'; 65_536]).await?;
        }
    })
    .await;
    let outcome = dispatcher().outcome(&receiver.request(), AMPLE).await;
    assert_eq!((status(&outcome), body(&outcome).len()), (200, RESPONSE_KEPT_BYTES_MAX));
}

#[actix_rt::test]
async fn a_body_without_a_length_ends_with_the_connection() {
    for head in ["HTTP/1.0 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"] {
        let receiver = Receiver::start(move |_, mut stream| async move {
            read_request(&mut stream).await?;
            for piece in [head, "in ", "pieces"] {
                stream.write_all(piece.as_bytes()).await?;
                stream.flush().await?;
                tokio::task::yield_now().await;
            }
            Ok(())
        })
        .await;
        let outcome = dispatcher().outcome(&receiver.request(), AMPLE).await;
        assert_eq!((status(&outcome), body(&outcome)), (200, b"in pieces".as_slice()));
    }
}

#[actix_rt::test]
async fn a_receiver_that_forgets_to_end_its_answer_does_not_hold_a_place_for_long() {
    let receiver = Receiver::answering(b"HTTP/1.1 200 OK\r\n\r\nok").await;
    let started = Instant::now();
    let outcome = dispatcher().outcome(&receiver.request(), AMPLE).await;
    assert_eq!((status(&outcome), body(&outcome)), (200, b"ok".as_slice()));
    assert!(started.elapsed() < AMPLE / 2);
}

#[actix_rt::test]
async fn chunks_are_put_together_and_trailers_passed_over() {
    let receiver = Receiver::answering(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n\
          3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 5\r\nX-Other: 6\r\n\r\n",
    )
    .await;
    let client = dispatcher();
    for _ in 0..2 {
        assert_eq!(body(&client.outcome(&receiver.request(), AMPLE).await), b"abcde");
    }
    assert_eq!(receiver.accepted.get(), 1);
}

#[actix_rt::test]
async fn folded_headers_are_unfolded_and_names_kept_in_lower_case() {
    let receiver = Receiver::answering(
        b"HTTP/1.1 503 Busy\r\nX-Note: a\r\n\tb\r\nRETRY-AFTER: 9\r\nContent-Length: 0\r\n\r\n",
    )
    .await;
    let Outcome::Answered { headers, .. } = dispatcher().outcome(&receiver.request(), AMPLE).await else {
        panic!("an answer")
    };
    let expected = [("retry-after", "9"), ("x-note", "a b"), ("content-length", "0")];
    assert_eq!(headers, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}
