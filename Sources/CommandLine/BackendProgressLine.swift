import Switchback

/// The one line in which backends that take their time to open say what they do, and then what came of it.
func showBackendProgress(_ progress: BackendProgress) {
  let isLive = Terminal.Stream.standardError.isInteractive
  let clear = isLive ? "\r\u{1B}[K" : ""
  switch progress {
  case .working(let text):
    guard isLive else { return }
    Terminal.write(clear + text.prefix(Terminal.width - 1), to: .standardError, terminator: "")
  case .done(let text): Terminal.write(clear + text, to: .standardError)
  }
}
