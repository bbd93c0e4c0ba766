import Switchback

/// The one line in which `backend: auto` says what it measures, and then what came of it.
func showAutoProgress(_ progress: AutoBackend.Progress) {
  let isLive = Terminal.Stream.standardError.isInteractive
  let clear = isLive ? "\r\u{1B}[K" : ""
  switch progress {
  case .working(let text):
    guard isLive else { return }
    Terminal.write(clear + text.prefix(Terminal.width - 1), to: .standardError, terminator: "")
  case .done(let text): Terminal.write(clear + text, to: .standardError)
  }
}
