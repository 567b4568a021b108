//! Which connections are used again, and which never are.

use tokio::sync::Notify;

use super::*;

/// Attempts one after the other over one client; how many connections they took.
async fn connections_of(attempts: usize, receiver: &Receiver) -> usize {
    let client = dispatcher();
    for _ in 0..attempts {
        let outcome = client.outcome(&receiver.request(), AMPLE).await;
        assert_eq!(status(&outcome), 200);
    }
    receiver.accepted.get()
}

#[actix_rt::test]
async fn a_connection_is_used_again_when_both_sides_agree_where_the_answer_ended() {
    let answers: [&[u8]; 9] = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ncontent-length:0\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
        b"HTTP/1.1  200  OK\r\nContent-Length : 2\r\nX-Folded: a\r\n b\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    ];
    for answer in answers {
        let receiver = Receiver::answering(answer).await;
        assert_eq!(connections_of(3, &receiver).await, 1, "{}", String::from_utf8_lossy(answer));
    }
}

#[actix_rt::test]
async fn a_connection_that_may_be_out_of_step_is_not_used_again() {
    let answers: [&[u8]; 11] = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: x, Close\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
    ];
    let each = answers.map(|answer| async move {
        let receiver = Receiver::answering(answer).await;
        assert_eq!(connections_of(2, &receiver).await, 2, "{}", String::from_utf8_lossy(answer));
    });
    futures_util::future::join_all(each).await;
}

#[actix_rt::test]
async fn what_comes_unasked_is_never_taken_for_an_answer() {
    let tell = Rc::new(Notify::new());
    let told = Rc::clone(&tell);
    let receiver = Receiver::start(move |number, mut stream| {
        let told = Rc::clone(&told);
        async move {
            read_request(&mut stream).await?;
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await?;
            if number == 1 {
                told.notified().await;
                stream.write_all(b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n").await?;
            }
            hold(&mut stream).await
        }
    })
    .await;
    let client = dispatcher();
    assert_eq!(status(&client.outcome(&receiver.request(), AMPLE).await), 200);
    let request = receiver.request();
    let origin = request.target.origin();
    let kept = client.pool.take(origin, tokio::time::Instant::now()).expect("it is kept");
    client.pool.put(kept, Instant::now());
    tell.notify_one();
    while let Some(silent) = client.pool.take(origin, tokio::time::Instant::now()) {
        client.pool.put(silent, Instant::now());
        tokio::task::yield_now().await;
    }
    assert_eq!(status(&client.outcome(&request, AMPLE).await), 200);
    assert_eq!(receiver.accepted.get(), 2);
}

#[actix_rt::test]
async fn a_connection_that_the_receiver_closed_while_it_lay_idle_is_no_failure() {
    let receiver = Receiver::start(|_, mut stream| async move {
        read_request(&mut stream).await?;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await
    })
    .await;
    assert_eq!(connections_of(5, &receiver).await, 5);
}

/// Lets time pass.
async fn pass(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

#[actix_rt::test]
async fn a_connection_rests_for_half_a_minute_and_lives_for_ten() {
    let receiver = Receiver::answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let client = dispatcher();
    let attempt = || async { status(&client.outcome(&receiver.request(), AMPLE).await) };
    for (rest, connections) in [(0, 1), (29, 1), (31, 2), (29, 2)] {
        pass(rest).await;
        assert_eq!((attempt().await, receiver.accepted.get()), (200, connections));
    }
    for _ in 0..25 {
        pass(25).await;
        attempt().await;
    }
    assert_eq!(receiver.accepted.get(), 3);
}

/// Answers the first request of connection 1 and hangs up on the second, which it has read; then does with
/// connection 2 as it is told.
async fn hanging_up(second: &'static [u8]) -> Receiver {
    Receiver::start(move |number, mut stream| async move {
        read_request(&mut stream).await?;
        if number == 1 {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await?;
            read_request(&mut stream).await?;
            return Ok(());
        }
        stream.write_all(second).await
    })
    .await
}

#[actix_rt::test]
async fn a_kept_connection_that_was_hung_up_is_replaced_once_within_the_same_attempt() {
    let receiver = hanging_up(b"HTTP/1.1 202 OK\r\nContent-Length: 0\r\n\r\n").await;
    let client = dispatcher();
    assert_eq!(status(&client.outcome(&receiver.request(), AMPLE).await), 200);
    assert_eq!(status(&client.outcome(&receiver.request(), AMPLE).await), 202);
    assert_eq!(receiver.accepted.get(), 2);

    let receiver = hanging_up(b"").await;
    let client = dispatcher();
    assert_eq!(status(&client.outcome(&receiver.request(), AMPLE).await), 200);
    assert_eq!(class(&client.outcome(&receiver.request(), AMPLE).await), FailureClass::Broken);
    assert_eq!(receiver.accepted.get(), 2);
}
