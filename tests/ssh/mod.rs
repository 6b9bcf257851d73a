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

use bringup::{
    connection::{Context, Error, FrameEnd, Output, Segment, Session, Shell, Target},
    ssh::SshError,
};

/// Connects by SSH. What goes wrong is of SSH alone.
pub async fn connect(target: impl Into<Target>, context: &Context) -> Result<Session, SshError> {
    Session::connect(&target.into(), context).await.map_err(|error| match error {
        Error::Ssh(error) => error,
        other => panic!("{other}"),
    })
}

/// Runs a frame and collects what comes back.
pub async fn run(shell: &mut Shell, frame: &[Segment]) -> (Vec<Output>, Result<FrameEnd, Error>) {
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
