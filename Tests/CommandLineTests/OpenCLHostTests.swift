import Foundation
import Testing

/// Hosts without an OpenCL device: what is missing is said, and the rest works.
@Suite struct OpenCLHostTests {
  private func emptyFolder() throws -> String {
    let folder = temporary()
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    return folder
  }

  @Test("a host without a driver file is told which to install, by the list, by check and by train")
  func noDriver() throws {
    let environment = ["OCL_ICD_VENDORS": try emptyFolder()]
    let list = try switchback("backends", environment: environment)
    #expect(list.status == 0)
    let isBuilt = !list.output.contains("without its trait OpenCL")
    let said = isBuilt ? "pocl-opencl-icd" : "ocl-icd-opencl-dev"
    #expect(list.output.contains(said) && list.output.contains("✓ reference"), "\(list.output)")
    let check = try switchback("backends", "check", "opencl", environment: environment)
    #expect(check.status != 0 && (check.output + check.error).contains(said), "\(check.output)\(check.error)")
    let train = try switchback(
      "train", "configs/mnist-mlp.yaml", "--data", try dataFolder(), "--runs", temporary(), "--backend", "opencl",
      environment: environment)
    #expect(train.status == 69 && train.error.contains(said), "\(train.error)")
  }

  @Test("a driver file whose library cannot be loaded is named")
  func brokenDriver() throws {
    let folder = try emptyFolder()
    try "/nowhere/libdriver.so\n".write(toFile: folder + "/broken.icd", atomically: true, encoding: .utf8)
    let list = try switchback("backends", environment: ["OCL_ICD_VENDORS": folder])
    if list.output.contains("without its trait OpenCL") { try Test.cancel("built without its trait OpenCL") }
    if list.output.contains("loader libOpenCL.so.1 is not") { try Test.cancel("there is no OpenCL loader here") }
    #expect(list.output.contains("/nowhere/libdriver.so"), "\(list.output)")
  }
}
