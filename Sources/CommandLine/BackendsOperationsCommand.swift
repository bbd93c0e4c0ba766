import ArgumentParser
import Foundation
import Switchback
import SwitchbackConformance
import SwitchbackPrograms

struct BackendsOperationsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "operations",
    abstract: "Writes which backend runs which operation, with its error bound, as Markdown.",
    discussion: flowing(
      """
      Examples:

        switchback backends operations openblas ./libSwitchbackyours.so
        switchback backends operations > Sources/OPERATIONS.md  # make operations

      Without names: every backend of this machine. One that cannot be used is an error, so that no table lacks it
      silently.
      """))

  @Argument(help: "Names, or paths of libraries.", completion: .list(backendWords))
  var backends: [String] = []

  @Option(
    help: ArgumentHelp(
      "Writes what the C kernels (c) or the OpenCL kernels (opencl) take from the tables of functions instead.",
      visibility: .hidden))
  var functions: ElementwiseSources?

  func run() throws {
    try reportingErrors {
      if let functions { return Terminal.write(functions.text.trimmingCharacters(in: .newlines)) }
      let registry = makeRegistry()
      let rows = backends.isEmpty ? registry.linkedListings + registry.libraries.map(registry.listing) : []
      if backends.isEmpty, let row = rows.first(where: { !$0.isAvailable }) {
        throw fail("\(row.name): \(row.reason ?? "it cannot be used")", ExitStatus.noBackend)
      }
      let names = backends.isEmpty ? rows.map(\.name) : backends
      let chain = try BackendChain(names, registry: registry, host: try makeHost(threads: 1))
      Terminal.write(try OperationTable(chain.links).markdown)
    }
  }
}

extension ElementwiseSources: ExpressibleByArgument {}
