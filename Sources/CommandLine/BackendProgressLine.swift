import Switchback

/// The one line in which backends that take their time to open say what they do, and then what came of it.
func showBackendProgress(_ progress: BackendProgress) {
  switch progress {
  case .working(let text): if Terminal.Stream.standardError.isInteractive { Terminal.draw(text) }
  case .done(let text): Terminal.say([text])
  }
}
