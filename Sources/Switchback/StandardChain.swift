import Foundation
public import SwitchbackBackendKit
public import SwitchbackExecution
public import SwitchbackInference
import SwitchbackReference
import SwitchbackTraining

extension BackendChain {
  /// For whoever names no backend: OpenBLAS where its library is beside the program or in `$SWITCHBACK_BACKEND_PATH`,
  /// with the reference behind it; elsewhere the reference alone. `workers` is the number of threads; nil: one a core.
  public static func standard(workers: Int? = nil) throws(BackendError) -> BackendChain {
    let host = try HostServices(workers: workers ?? HostServices.usableCores)
    let registry = BackendRegistry(linked: [ReferenceBackend()])
    do throws(BackendError) {
      return try BackendChain(["openblas", "reference"], registry: registry, host: host)
    } catch {
      return try BackendChain(["reference"], registry: registry, host: host)
    }
  }
}

extension TrainedModel {
  /// Reads a file, for the standard chain.
  public convenience init(file path: String) throws { try self.init(file: path, on: .standard()) }

  /// The network of a run folder with its newest weights, for the standard chain.
  public convenience init(run folder: String) throws { try self.init(run: folder, on: .standard()) }
}
