import Foundation
import SwitchbackDatasets
import TestFiles
import Testing

/// `backend.fallback: []`: what a backend does not take is an error by name, and nobody else computes.
@Suite(
  "Every configuration on one backend alone", .enabled(if: Image.readsCompressedFiles, "this build reads no gzip files")
)
struct BackendAloneTests {
  @Test(
    "one backend takes the whole training step of every configuration, in one segment",
    arguments: ["openblas", "opencl"], ShippedConfigurations.all)
  func planned(backend: String, name: String) throws {
    try skipWithout(backend)
    var arguments = try ShippedConfigurations.arguments(name)
    if let place = arguments.firstIndex(of: "--data") {
      arguments.replaceSubrange(place...place + 1, with: ["--set", "data.path=" + arguments[place + 1]])
    }
    let outcome = try switchback(
      ["backends", "--explain"] + arguments + ["--backend", backend, "--set", "backend.fallback=[]", "--json"])
    try #require(outcome.status == 0, "\(outcome.error)")
    let found = try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    let operations = try #require(found["operations"] as? [[String: Any]])
    #expect(Set(operations.compactMap { $0["backend"] as? String }) == [backend])
    #expect(Set(operations.compactMap { $0["segment"] as? Int }).count == 1)
  }

  @Test("every configuration trains on OpenBLAS alone", arguments: ShippedConfigurations.all)
  func openBLAS(name: String) throws { try train(name, on: "openblas") }

  // PoCL compiles kernels for minutes where none are kept.
  @Test(
    "every configuration trains on OpenCL alone", .enabled(if: runsLongTests, "SWITCHBACK_LONG_TESTS is not set"),
    arguments: ShippedConfigurations.all)
  func openCL(name: String) throws { try train(name, on: "opencl") }

  private func train(_ name: String, on backend: String) throws {
    try skipWithout(backend)
    let outcome = try switchback(
      ["train"] + ShippedConfigurations.arguments(name) + [
        "--backend", backend, "--set", "backend.fallback=[]", "--set", "training.batch_size=8", "--steps", "2",
        "--runs",
        temporary(),
      ])
    #expect(outcome.status == 0, "\(outcome.error)")
    #expect((outcome.output + outcome.error).contains("operations, all on \(backend) · 1 segment"), "\(outcome.output)")
  }
}
