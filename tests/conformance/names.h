/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Names of newer kernels that the packaged self-tests use and the headers of
 * their own package lack. Included before everything else, so that no line of
 * the tests has to change.
 */
#ifndef CONFORMANCE_NAMES_H
#define CONFORMANCE_NAMES_H

/* IOMMU_GET_HW_INFO: the kind of answer that is asked for; 0 takes what there is. */
#define IOMMU_HW_INFO_TYPE_DEFAULT    0
#define IOMMU_HW_INFO_FLAG_INPUT_TYPE (1 << 0)
/* On the way in it stands where the answer's kind stands on the way out. */
#define in_data_type out_data_type

/* A mock device with PASIDs, and how many bits they have. */
#define MOCK_FLAGS_DEVICE_PASID (1 << 2)
#define MOCK_PASID_WIDTH	20

#endif
