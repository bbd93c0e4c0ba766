import Switchback

/// Steps as chrome://tracing and ui.perfetto.dev draw them (*Trace Event Format*, Google, 2016: complete events of
/// microseconds and metadata): a row of steps, and a row of groups for each backend.
struct ChromeTrace {
  /// More would be large files that nobody scrolls through.
  static let stepLimit = 100

  private struct Event: Encodable {
    struct Arguments: Encodable {
      var name: String?
      var step: Int?
      var operations: [String]?
      var gigaflopsPerSecond: Double?
    }
    var name: String
    var cat: String?
    var ph: String
    var ts: Double?
    var dur: Double?
    var pid = 1
    var tid: Int
    var args: Arguments
  }

  private struct File: Encodable {
    var traceEvents: [Event]
    var displayTimeUnit = "ms"
  }

  private let file: File

  /// `name` is the configuration's.
  init(_ measured: ProfiledSteps, name: String) {
    let start = measured.traced.first?.begin ?? 0
    var events = [
      Event(name: "process_name", ph: "M", tid: 0, args: .init(name: "switchback profile \(name)")),
      Event(name: "thread_name", ph: "M", tid: 0, args: .init(name: "steps")),
    ]
    var threads: [String: Int] = [:]
    for (index, step) in measured.traced.enumerated() {
      events.append(
        Event(
          name: "step \(index + 1)", cat: "step", ph: "X", ts: (step.begin - start) * 1e6, dur: step.seconds * 1e6,
          tid: 0, args: .init(step: index + 1)))
      for span in step.groups where span.row.microseconds > 0 {
        let (row, known) = (span.row, threads[span.row.backend])
        let thread = known ?? threads.count + 1
        if known == nil {
          threads[row.backend] = thread
          events.append(Event(name: "thread_name", ph: "M", tid: thread, args: .init(name: row.backend)))
        }
        let layers = ProfileReport.layers(of: row.labels)
        events.append(
          Event(
            name: layers.isEmpty ? row.name : "\(ProfileReport.words(layers)): \(row.name)", cat: "group", ph: "X",
            ts: (span.begin - start) * 1e6, dur: row.microseconds, tid: thread,
            args: .init(
              step: index + 1, operations: row.labels,
              gigaflopsPerSecond: row.cost.flops > 0 ? Double(row.cost.flops) / row.microseconds * 1e-3 : nil)))
      }
    }
    file = File(traceEvents: events)
  }

  /// The file's text.
  var text: String { JSONText.line(file) + "\n" }
}
