//! Sessions against a real sshd on this machine's loopback, and against this machine itself.

mod auth;
mod r#become;
mod channels;
mod hostile;
mod hostkey;
mod jump;
mod limits;
mod login_shell;
mod quoting;
mod shell;
pub mod sshd;
mod transfer;
mod unreachable;

use bringup::ssh::{FrameEnd, Output, Segment, Shell, SshError};

/// Runs a frame and collects what comes back.
pub async fn run(shell: &mut Shell, frame: &[Segment]) -> (Vec<Output>, Result<FrameEnd, SshError>) {
    let mut outputs = Vec::new();
    let end = shell
        .run(frame, |index, output| {
            assert_eq!(index, outputs.len(), "in order");
            outputs.push(output);
        })
        .await;
    (outputs, end)
}

/// Runs one step that must be acknowledged.
pub async fn one(shell: &mut Shell, script: &str) -> Output {
    let (mut outputs, end) = run(shell, &[Segment::new(script)]).await;
    assert_eq!(end.expect(script), FrameEnd { acknowledged: 1, stopped: false });
    outputs.remove(0)
}

/// Runs one step and gives its output as text.
pub async fn text(shell: &mut Shell, script: &str) -> String {
    String::from_utf8(one(shell, script).await.stdout).expect("text")
}
