/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The registers of PCI configuration space that VFIO treats specially.
 */
#ifndef RF_VFIO_PCI_REGS_H
#define RF_VFIO_PCI_REGS_H

#define PCI_COMMAND		 0x04u
#define PCI_COMMAND_IO		 0x0001u
#define PCI_COMMAND_MEMORY	 0x0002u
#define PCI_COMMAND_MASTER	 0x0004u
#define PCI_COMMAND_SERR	 0x0100u
#define PCI_COMMAND_INTX_DISABLE 0x0400u
#define PCI_STATUS		 0x06u
#define PCI_STATUS_CAP_LIST	 0x0010u
#define PCI_CACHE_LINE		 0x0cu
#define PCI_BAR0		 0x10u
#define PCI_ROM			 0x30u
#define PCI_CAPABILITIES	 0x34u
#define PCI_INTERRUPT_PIN	 0x3du
#define PCI_HEADER_SIZE		 0x40u

#define PCI_BAR_IO		 0x1u
#define PCI_ROM_ENABLE		 0x1u
#define PCI_BAR_MEM_64		 0x4u
#define PCI_BAR_MEM_PREFETCH	 0x8u

#define PCI_CAP_PM		 0x01u
#define PCI_CAP_AGP		 0x02u
#define PCI_CAP_VPD		 0x03u
#define PCI_CAP_MSI		 0x05u
#define PCI_CAP_PCIX		 0x07u
#define PCI_CAP_HT		 0x08u
#define PCI_CAP_VNDR		 0x09u
#define PCI_CAP_PCIE		 0x10u
#define PCI_CAP_MSIX		 0x11u
#define PCI_CAP_SATA		 0x12u
#define PCI_CAP_AF		 0x13u

#define EXT_CAP_ERR		 0x01u
#define EXT_CAP_VC		 0x02u
#define EXT_CAP_DSN		 0x03u
#define EXT_CAP_PWR		 0x04u
#define EXT_CAP_MFVC		 0x08u
#define EXT_CAP_VC9		 0x09u
#define EXT_CAP_VNDR		 0x0bu
#define EXT_CAP_ACS		 0x0du
#define EXT_CAP_ARI		 0x0eu
#define EXT_CAP_ATS		 0x0fu
#define EXT_CAP_SRIOV		 0x10u
#define EXT_CAP_MCAST		 0x12u
#define EXT_CAP_PRI		 0x13u
#define EXT_CAP_REBAR		 0x15u
#define EXT_CAP_DPA		 0x16u
#define EXT_CAP_TPH		 0x17u
#define EXT_CAP_LTR		 0x18u
#define EXT_CAP_DVSEC		 0x23u
#define EXT_CAP_ERR_SIZE	 44u
#define EXT_CAP_PWR_SIZE	 16u

#define PM_PMC			 2u
#define PM_PMC_PME		 0xf800u
#define PM_PMC_D1		 0x0200u
#define PM_PMC_D2		 0x0400u
#define PM_CTRL			 4u
#define PM_CTRL_STATE		 0x0003u
#define PM_CTRL_NO_SOFT_RST	 0x0008u
#define PM_CTRL_PME		 0x8100u /* enable and status */

#define MSI_FLAGS		 2u
#define MSI_FLAGS_ENABLE	 0x0001u
#define MSI_FLAGS_QSIZE		 0x0070u
#define MSI_FLAGS_64		 0x0080u
#define MSI_FLAGS_MASK		 0x0100u

#define AF_CAP			 3u
#define AF_CAP_RESET		 0x03u /* transactions pending, function level reset */
#define AF_CTRL			 4u
#define AF_CTRL_FLR		 0x01u

#define PCIE_FLAGS		 2u
#define PCIE_DEVCAP		 4u
#define PCIE_DEVCAP_FLR		 0x10000000u
#define PCIE_DEVCTL		 8u
#define PCIE_DEVCTL_FLR		 0x8000u
#define PCIE_LNKCTL		 16u
#define PCIE_DEVCTL2		 40u
#define PCIE_TYPE_RC_END	 9u

#endif
