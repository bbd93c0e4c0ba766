import Foundation
import Switchback

/// What `profile` says of measured steps.
struct ProfileReport: Encodable {
  struct Row: Encodable {
    /// Of a group its backend's name for it; of a layer its path, or those of all layers that a group runs as one.
    var name: String
    var backend: String
    /// Their labels, such as `layers.2.conv2d/backwardFilter`.
    var operations: [String]
    /// Of a step.
    var microseconds: Double
    /// Of the steps' time.
    var share: Double
    /// Of a step.
    var flops: Double
    /// Nil where there is no arithmetic.
    var gigaflopsPerSecond: Double?
    /// Nil on devices, which have another roof, and where there is no arithmetic.
    var shareOfRoof: Double?
    /// Whether the backend measures no groups, so that the host's clock says the time of a whole segment.
    var isByHost: Bool
  }

  var name: String
  var devices: [String]
  var workers: Int
  var batchSize: Int
  var steps: Int
  var secondsPerStep: Double
  var samplesPerSecond: Double
  var loss: Double
  var flopsPerStep: Double
  var gigaflopsPerSecond: Double
  /// Nil where all is computed by a device.
  var roof: ArithmeticRoof?
  /// Nil where a device computes a part.
  var shareOfRoof: Double?
  /// Of a step, what lies in no group: the batch, copies between devices, what the host does.
  var outsideMicroseconds: Double
  var peakBytes: Int
  /// Of the host's memory, which `peakBytes` is of too: states, temporaries, inputs and workspaces of the step, and of the one
  /// that only accumulates gradients.
  var plannedBytes: Int
  /// Whether a part is computed in memory that is in neither number.
  var usesDeviceMemory: Bool
  /// Both by time, the longest first.
  var layers: [Row]
  var operations: [Row]

  init(
    _ configuration: Configuration, _ session: TrainingSession, _ measured: ProfiledSteps, plan: ExecutionPlan,
    roof: ArithmeticRoof
  ) throws {
    let rows = measured.profile.rows
    let isOnHost = rows.contains { !$0.isOnDevice }
    let scale = Scale(steps: Double(measured.steps), seconds: measured.seconds, roof: roof)
    name = configuration.name
    let links = session.chain.links.filter { link in plan.placements.contains { plan.backends[$0.link] == link.name } }
    devices = links.map { "\($0.name): \($0.device.info.identity)" }
    (workers, batchSize, steps, loss) = (session.chain.host.workers, measured.batchSize, measured.steps, measured.loss)
    secondsPerStep = measured.seconds / Double(measured.steps)
    samplesPerSecond = Double(measured.batchSize) / secondsPerStep
    flopsPerStep = rows.reduce(0) { $0 + Double($1.cost.flops) * Double($1.runs) } / Double(measured.steps)
    gigaflopsPerSecond = flopsPerStep / secondsPerStep * 1e-9
    self.roof = isOnHost ? roof : nil
    let isOnDevice = rows.contains(where: \.isOnDevice)
    shareOfRoof = isOnDevice ? nil : gigaflopsPerSecond / max(roof.gigaflops, 1e-9)
    let inside = rows.reduce(0) { $0 + $1.microseconds } / Double(measured.steps)
    outsideMicroseconds = max(0, secondsPerStep * 1e6 - inside)
    (peakBytes, plannedBytes) = (peakResidentBytes, try session.memoryNeed().total)
    // A CPU's own memory, as OpenCL has it, is the host's after all.
    usesDeviceMemory = links.contains { $0.device.info.hasPrivateMemory && $0.device.info.kind != "cpu" }
    operations = rows.map { scale.row($0.name, [$0]) }.sorted { $0.microseconds > $1.microseconds }
    layers = Self.byLayer(rows).map { scale.row($0, $1) }.sorted { $0.microseconds > $1.microseconds }
  }

  /// What makes rows of groups.
  private struct Scale {
    let steps: Double
    let seconds: Double
    let roof: ArithmeticRoof

    /// `groups` are of one backend, or of one layer.
    func row(_ name: String, _ groups: [Profile.Row]) -> Row {
      let microseconds = groups.reduce(0) { $0 + $1.microseconds } / steps
      let flops = groups.reduce(0) { $0 + Double($1.cost.flops) * Double($1.runs) } / steps
      let speed = flops > 0 && microseconds > 0 ? flops / microseconds * 1e-3 : nil
      let isOnDevice = groups.contains(where: \.isOnDevice)
      var backends: [String] = []
      for group in groups where !backends.contains(group.backend) { backends.append(group.backend) }
      return Row(
        name: name, backend: backends.joined(separator: ", "), operations: groups.flatMap(\.labels),
        microseconds: microseconds, share: microseconds * steps / max(seconds * 1e6, 1e-9), flops: flops,
        gigaflopsPerSecond: speed, shareOfRoof: isOnDevice ? nil : speed.map { $0 / max(roof.gigaflops, 1e-9) },
        isByHost: groups.contains(where: \.isByHost))
    }
  }

  /// The groups of each layer. A group that runs operations of several layers as one is a row of these: its time is not
  /// divided.
  private static func byLayer(_ rows: [Profile.Row]) -> [(String, [Profile.Row])] {
    var (order, groups) = ([String](), [String: [Profile.Row]]())
    for row in rows {
      let layers = layers(of: row.labels)
      let name = layers.isEmpty ? row.name : words(layers)
      if groups[name] == nil { order.append(name) }
      groups[name, default: []].append(row)
    }
    return order.map { ($0, groups[$0]!) }
  }

  /// The paths in front of operations: `layers.2.conv2d` of `layers.2.conv2d/add`.
  static func layers(of labels: [String]) -> [String] {
    var layers: [String] = []
    for label in labels {
      let layer = String(label.prefix { $0 != "/" })
      if !layers.contains(layer) { layers.append(layer) }
    }
    return layers
  }

  /// `layers.0.conv2d + layers.1.maxPooling2d`; of many the first and the last.
  static func words(_ layers: [String]) -> String {
    layers.count <= 3
      ? layers.joined(separator: " + ") : "\(layers[0]) … \(layers[layers.count - 1]) (\(layers.count))"
  }

  // MARK: The table

  func show(_ grouping: ProfileCommand.Grouping) {
    let isByLayer = grouping == .layer
    let hasRoof = roof != nil
    // Some columns are of one kind of table alone.
    func cells(_ numbers: [String], roof: String, _ words: [String], operations: String) -> [String] {
      numbers + (hasRoof ? [roof] : []) + words + (isByLayer ? [] : [operations])
    }
    var table = TextTable(
      cells(
        ["µs a step", "share", "GFLOP/s"], roof: "of the roof", ["backend", isByLayer ? "layer" : "group"],
        operations: "operations"),
      rightAligned: hasRoof ? [0, 1, 2, 3] : [0, 1, 2])
    for row in isByLayer ? layers : operations {
      let speed = row.gigaflopsPerSecond.map(\.tableText) ?? ""
      table.add(
        cells(
          [row.microseconds.tableText, Self.percent(row.share), speed],
          roof: row.shareOfRoof.map(Self.percent) ?? "",
          [row.backend + (row.isByHost ? " (by the host's clock)" : ""), row.name],
          operations: row.operations.joined(separator: ", ")))
    }
    let outside = outsideMicroseconds * 1e-6 / secondsPerStep
    table.add(
      cells(
        [outsideMicroseconds.tableText, Self.percent(outside), ""], roof: "",
        ["", "outside: batches, copies, the host"], operations: ""))
    Terminal.write(table.text)
    Terminal.write(
      "\n\(steps) step\(steps == 1 ? "" : "s") of \(batchSize) samples, \((secondsPerStep * 1e6).tableText) µs each · "
        + "\(samplesPerSecond.tableText) samples/s · \(gigaflopsPerSecond.tableText) GFLOP/s"
        + (shareOfRoof.map { ", \(Self.percent($0)) of the roof" } ?? ""))
    Terminal.write(roofWords)
    Terminal.write(
      "peak memory \(ExecutionPlan.bytes(peakBytes)) resident; the steps are planned to take "
        + "\(ExecutionPlan.bytes(plannedBytes)) of the host's"
        + (usesDeviceMemory ? ", and what lies on devices besides" : ""))
  }

  private var roofWords: String {
    guard let roof else { return "no roof: a device with memory of its own computes with other units than the CPU's" }
    return "roof: " + roof.words + (shareOfRoof == nil ? ", of what runs on the CPU" : "")
  }

  private static func percent(_ share: Double) -> String { String(format: "%.1f %%", share * 100) }
}
