import ArgumentParser
import Foundation
import Switchback
import SwitchbackConformance

/// The child's side of a device's first use: it tries the device, and leaves the verdict where it told what it tries.
struct FirstUseCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "first-use", abstract: "Tries a device at its first use; train starts it.", shouldDisplay: false)

  @Option var backend: String
  /// Of the configuration, as JSON.
  @Option var options: String
  @Option(name: .customLong("folder")) var folders: [String] = []

  func run() throws {
    let tell = ChildProgress().tell
    do {
      let (host, registry) = (try makeHost(threads: 0), makeRegistry(folders))
      let options = try JSONDecoder().decode([String: String].self, from: Data(options.utf8))
      let chain = try BackendChain([backend], registry: registry, options: [backend: options], host: host)
      let reference = try BackendChain.reference(registry, host: host)
      let title = "at the first use of \(chain.links[0].device.info.name) with this driver"
      let verdict = try DeviceTrial(chain, reference: reference).run { done, count, sample in
        tell(sample)
        showBackendProgress(.working("\(chain.links[0].name): checked \(done) of \(count) samples \(title)"))
      }
      if Terminal.Stream.standardError.isInteractive { Terminal.draw("") }
      tell(Terminal.json(verdict))
    } catch {
      tell(Self.mark + "\(error)")
      throw ExitStatus.noBackend
    }
  }

  /// Before the words of an error, in place of a sample's.
  private static let mark = "error: "

  /// The parent's side: the verdict as JSON. A sample may take two minutes, its compiler included.
  static func trial(_ backend: String, _ options: [String: String], _ folders: [String]) throws -> [UInt8] {
    let file = try UnnamedFile()
    try file.checkRoom()
    let child = try ChildProcess(
      ["first-use", "--backend", backend, "--options", Terminal.json(options)]
        + folders.flatMap { ["--folder", $0] }, sharingOutputWhile: file, changesWithin: 120)
    let sample = file.text
    if child.ending == .exited(0) { return Array(sample.utf8) }
    if sample.hasPrefix(Self.mark) { throw BackendError(.unavailable, String(sample.dropFirst(Self.mark.count))) }
    throw BackendError(
      .deviceLost,
      (child.ending.fault ?? "it ended the process") + (sample.isEmpty ? " while it was opened" : " at \(sample)"))
  }
}
