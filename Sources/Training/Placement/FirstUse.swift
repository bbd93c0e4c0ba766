import Foundation
import SwitchbackBackendKit
import SwitchbackConformance
import SwitchbackExecution

/// The first use of a device and a driver's version: a device that computes wrongly is refused by name, and one that
/// computes rightly is not asked again on this host.
///
/// Only of devices with memory of their own, behind which there is a driver that we did not build.
struct FirstUse {
  let registry: BackendRegistry
  let host: HostServices
  let progress: (BackendProgress) -> Void

  func check(_ link: BackendChain.Link) throws {
    guard link.device.info.hasPrivateMemory, !link.isTrusted else { return }
    let verdict = try known(link) ?? measured(link)
    guard let first = verdict.faults.first else { return }
    throw BackendError(
      .unavailable,
      "\(link.name): \(link.device.info.name) computes \(verdict.operations.joined(separator: ", ")) wrongly with this "
        + "driver (\(link.device.info.driver)): \(first). Update the driver or choose another device; "
        + "`switchback conformance --backend \(link.name)` shows all that is wrong, and "
        + "--set backend.\(link.name).trust=true uses the device all the same")
  }

  private func known(_ link: BackendChain.Link) -> DeviceTrial.Verdict? {
    host.recall(key(link)).flatMap { try? JSONDecoder().decode(DeviceTrial.Verdict.self, from: Data($0)) }
  }

  private func measured(_ link: BackendChain.Link) throws -> DeviceTrial.Verdict {
    let begin = ContinuousClock.now
    let title = "\(link.name): first use of \(link.device.info.name) with this driver"
    let verdict: DeviceTrial.Verdict
    do {
      verdict = try trial(link, title)
    } catch let error as BackendError {
      let advice =
        ". Update the driver or choose another device; --set backend.\(link.name).trust=true uses this one without a trial"
      throw BackendError(.unavailable, "\(title) failed: \(error.message)\(error.kind == .deviceLost ? advice : "")")
    } catch let error as ExecutionError {
      // Nothing is kept: it may have been another program's doing.
      throw BackendError(.unavailable, "\(title) failed: \(error)")
    }
    let seconds = (begin.duration(to: .now) / .seconds(1) * 10).rounded() / 10
    let outcome = verdict.faults.isEmpty ? "all right" : "\(verdict.faults.count) wrong"
    progress(.done("\(title): \(verdict.checked) samples checked in \(seconds) s, \(outcome)"))
    if let data = try? JSONEncoder().encode(verdict) { host.remember(key(link), Array(data)) }
    return verdict
  }

  private func trial(_ link: BackendChain.Link, _ title: String) throws -> DeviceTrial.Verdict {
    if let trial = registry.firstTrial {
      let said = Data(try trial(link.request.name, link.request.options))
      guard let verdict = try? JSONDecoder().decode(DeviceTrial.Verdict.self, from: said) else {
        throw BackendError(.unavailable, "the process that tried it left no verdict")
      }
      return verdict
    }
    let reference = try BackendChain.reference(registry, host: host)
    return try DeviceTrial(BackendChain([link], host: host), reference: reference).run { done, count, _ in
      progress(.working("\(title): checked \(done) of \(count) samples"))
    }
  }

  /// The device, its driver, its options, and the very library that speaks to it.
  private func key(_ link: BackendChain.Link) -> String {
    var fingerprint = Fingerprint()
    for text in [link.name, link.version, link.library, link.device.info.identity] { fingerprint.mix(text) }
    // They choose among kernels.
    for word in link.optionWords { fingerprint.mix(word) }
    return "first-use-2-" + fingerprint.text
  }
}
