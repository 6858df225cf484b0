@0x9a1cc58fd9b2a3e4;
# What the tests of the TypeScript vat talk about with vat-server.c++.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("sandbridge::vattest");

interface VatTest {
  echo @0 (data :Data) -> (data :Data);
  fail @1 (reason :Text, type :UInt16) -> ();
  stats @2 () -> (sessions :UInt32, hanging :UInt32, cancelled :UInt32, sinks :UInt32);

  openSession @3 (id :Text) -> (session :TestSession);
  # Fails for the id "bad".

  lateSession @4 () -> (session :TestSession);
  # Returns a promise at once, which `resolveLate` resolves.

  resolveLate @5 ();

  same @6 (sink :TestSink) -> (sink :TestSink);
  # Hands the caller its own capability back.

  sameLate @7 (sink :TestSink) -> (sink :TestSink);
  # As a promise, which `resolveLate` resolves.

  hang @8 ();
  # Never returns.

  hangOn @9 (sink :TestSink) -> ();
  # Returns when `sink.wait` returns.

  pump @10 (bytes :UInt64, chunk :UInt32, sink :TestSink) -> (sent :UInt64);

  hasSink @11 (sink :TestSink) -> (present :Bool);
  twoSinks @12 () -> (first :TestSink, second :TestSink);
  # `second` is null.

  stalledSink @13 () -> (sink :TestSink);
  # Answers writes only after `flow`.

  flow @14 ();
  crash @15 ();
  # Ends the server's process.

  wide @16 () -> (text :Text, number :UInt64, flag :Bool);
  # Returns nothing but defaults, as a null pointer.

  nowhere @17 () -> (sink :TestSink);
  # Not implemented by the server.
}

interface TestSession {
  name @0 () -> (id :Text);
  upload @1 () -> (sink :TestSink);
}

interface TestSink {
  write @0 (chunk :Data) -> stream;
  # A chunk that begins with '!' fails.

  done @1 () -> (total :UInt64);
  number @2 (value :UInt32) -> (value :UInt32);
  wait @3 () -> ();
}
